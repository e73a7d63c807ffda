//! However many were left online, as many statements take them over, and let them go.

use std::sync::Arc;

use sea_orm::{ActiveValue::Set, ConnectionTrait as _, EntityTrait, IntoActiveModel};
use uuid::Uuid;

use super::*;
use crate::{
    bulk,
    connect::Target,
    connection::Connection,
    entity::{presence, presence_lease, tenant, tenant_counter, user},
    query::presence::let_go,
};

const TENANT: TenantId = TenantId(1);

/// A database with so many people online on a node.
async fn left_online(directory: &std::path::Path, many: usize) -> (Arc<Connection>, Vec<UserId>) {
    let url = format!("sqlite://{}", directory.join("parlor.db").display());
    parlor_migration::up(&url).await.unwrap();
    let db = Arc::new(Target::parse(&url).unwrap().writer().await.unwrap());
    let row = tenant::Model {
        id: TENANT.0,
        slug: "acme".to_owned(),
        number: None,
        display_name: String::new(),
        origins: crate::entity::Strings(Vec::new()),
        created_at: 1,
    };
    tenant::Entity::insert(row.into_active_model()).exec_without_returning(&*db).await.unwrap();
    let counters = tenant_counter::ActiveModel { tenant: Set(TENANT.0), ..Default::default() };
    tenant_counter::Entity::insert(counters).exec_without_returning(&*db).await.unwrap();
    let life = node_epoch::Model {
        node: "first".to_owned(),
        epoch: "1".to_owned(),
        started_at: 1,
        renewed_at: 1,
        ended_at: None,
        home: "home".to_owned(),
    };
    node_epoch::Entity::insert(life.into_active_model()).exec_without_returning(&*db).await.unwrap();
    let people: Vec<UserId> = (0..many).map(|_| UserId::new()).collect();
    let users = people.iter().zip(1_i64..).map(|(id, number)| person(id.0, number));
    insert(&db, users.collect()).await;
    let rows = people.iter().map(|id| {
        let (tenant, user_id, availability) = (TENANT.0, id.0, 1);
        presence::Model { tenant, user_id, availability, last_seen: None }
    });
    insert(&db, rows.collect()).await;
    let leases = people.iter().map(|id| {
        let (node, epoch) = ("first".to_owned(), "1".to_owned());
        presence_lease::Model {
            tenant: TENANT.0,
            user_id: id.0,
            node,
            epoch,
            since: 1,
            left_over: false,
            left_at: None,
        }
    });
    insert(&db, leases.collect()).await;
    (db, people)
}

fn person(id: Uuid, number: i64) -> user::Model {
    user::Model {
        tenant: TENANT.0,
        id,
        number,
        display_name: String::new(),
        username: None,
        email: String::new(),
        avatar_url: String::new(),
        roles: 1,
        password_hash: None,
        disabled: false,
        created_at: 1,
        updated_at: 1,
    }
}

/// How many statements it takes to take over so many, under another name, and then to let them all go.
async fn statements(many: usize) -> [usize; 2] {
    let directory = tempfile::tempdir().unwrap();
    let (db, people) = left_online(directory.path(), many).await;
    let before = db.statements();
    let new = NewLife {
        node: "second".to_owned(),
        epoch: "2".to_owned(),
        home: "home".to_owned(),
        ..NewLife::default()
    };
    let mut tx = Tx::begin(&db, []).await.unwrap();
    let begun = begin(&mut tx, &new, 2).await.unwrap();
    tx.commit().await.unwrap();
    let Begun::Lives(left) = begun else { panic!("{begun:?}") };
    assert_eq!(left.len(), many);
    let taking_over = db.statements() - before;
    let before = db.statements();

    let leaving =
        let_go::Leaving { tenant: TENANT, people, node: "second".to_owned(), epoch: "2".to_owned() };
    let mut tx = Tx::begin(&db, [TENANT]).await.unwrap();
    assert_eq!(let_go::let_go(&mut tx, &leaving).await.unwrap().len(), many);
    tx.commit().await.unwrap();
    assert!(presence_lease::Entity::find().all(&*db).await.unwrap().is_empty());
    [taking_over, db.statements() - before - 1]
}

async fn insert<M: sea_orm::ModelTrait>(db: &Connection, rows: Vec<M>) {
    for statement in bulk::insert(db.get_database_backend(), &rows) {
        db.execute_raw(statement).await.unwrap();
    }
}

#[tokio::test]
async fn as_many_statements_are_for_all_as_for_one() {
    let of_one = statements(1).await;
    assert!(of_one[0] >= 5 && of_one[1] >= 3, "they are counted: {of_one:?}");
    assert_eq!(statements(256).await, of_one);
}
