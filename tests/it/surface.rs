//! The whole surface, read from the descriptors: each method has a comment, refuses a call without a credential, and
//! keeps a deadline. A new method is covered on the day it is added.

mod contract;
mod nul;
mod raw;

use contract::{Access, Method, methods};
use parlor_api::{failure, v1::Reason};
use parlor_tests::{Plan, World, topologies};
use raw::Raw;
use tonic::Code;

topologies!(every_method_refuses_a_call_without_a_credential, every_method_keeps_a_deadline);

/// A timeout that is over before the call begins.
const OVER: &str = "0n";

/// The committed list of what is not covered.
const UNCOVERED: &str = include_str!("surface/uncovered.txt");

#[test]
fn nothing_is_left_uncovered() {
    let named: Vec<&str> =
        UNCOVERED.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    assert_eq!(named, [""; 0]);
}

#[test]
fn everything_has_a_comment() {
    assert_eq!(contract::uncommented(), [""; 0]);
}

#[test]
fn the_services_are_the_ones_of_the_contract() {
    let mut services: Vec<String> = methods().into_iter().map(|method| method.service).collect();
    services.dedup();
    assert_eq!(
        services,
        [
            "BillingService",
            "ChatService",
            "DirectoryService",
            "EdgeService",
            "PresenceService",
            "SessionService",
            "TokenService",
        ]
    );
}

async fn every_method_refuses_a_call_without_a_credential(plan: Plan) {
    let world = plan.start().await;
    let (public, internal) = ends(&world);
    let mut wrong = Vec::new();
    for method in methods() {
        let raw = if method.access == Access::Gateways { &internal } else { &public };
        let status = raw.call(&method, None, None).await;
        let right = match method.access {
            Access::Everybody => {
                status.code() != Code::Unauthenticated && status.code() != Code::Unimplemented
            }
            Access::Callers => refuses(&status, Code::Unauthenticated, Reason::CredentialMissing),
            Access::Gateways => refuses(&status, Code::PermissionDenied, Reason::EdgeKeyRequired),
        };
        if !right {
            wrong.push(format!("{}: {status:?}", method.path()));
        }
    }
    for method in methods().iter().filter(|method| method.access == Access::Gateways) {
        let status = public.call(method, None, None).await;
        if status.code() != Code::Unimplemented {
            wrong.push(format!("{} on the public port: {status:?}", method.path()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn every_method_keeps_a_deadline(plan: Plan) {
    let world = plan.start().await;
    let (public, internal) = ends(&world);
    let credential = format!("Bearer {}", world.configuration.operator_key);
    let mut wrong = Vec::new();
    for method in methods() {
        let (raw, name, value) = match method.access {
            Access::Gateways => {
                (&internal, parlor_api::metadata::EDGE_KEY, world.configuration.edge_key.as_str())
            }
            Access::Everybody | Access::Callers => (&public, "authorization", credential.as_str()),
        };
        let status = raw.call(&method, Some((name, value)), Some(OVER)).await;
        if !refuses(&status, Code::DeadlineExceeded, Reason::DeadlineExceeded) {
            wrong.push(format!("{}: {status:?}", method.path()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn refuses(status: &tonic::Status, code: Code, reason: Reason) -> bool {
    status.code() == code && failure::reason(status) == reason
}

/// Where clients come in, and where gateways do.
fn ends(world: &World) -> (Raw, Raw) {
    (Raw::new(world.entrance().address, &world.configuration.tenant), Raw::new(world.internal_address(), ""))
}

#[test]
fn a_method_says_to_whom_it_is_open() {
    let access =
        |name: &str| methods().into_iter().find(|method: &Method| method.name == name).unwrap().access;
    assert_eq!(access("GetJwks"), Access::Everybody);
    assert_eq!(access("ExchangeCredential"), Access::Everybody);
    assert_eq!(access("SendMessage"), Access::Callers);
    assert_eq!(access("Link"), Access::Gateways);
}
