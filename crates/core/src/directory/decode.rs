//! Requests of the directory, checked field by field.

use parlor_api::{hex_id::MAX_NUMBER, limits, v1};
use parlor_store::{ApiKeyKind, Identity, Roles, Tenant, TenantId, UserId, UserUpsert};

use crate::{
    Error, Result,
    field::{self, text},
    password,
    wire::{role, signed},
};

pub const MAX_USERNAME_CHARS: usize = limits::NAME_CHARS;

/// A tenant to create.
pub fn tenant(wanted: &v1::Tenant, at: i64) -> Result<Tenant> {
    slug(&wanted.slug)?;
    let display_name = if wanted.display_name.is_empty() { &wanted.slug } else { &wanted.display_name };
    Ok(Tenant {
        id: TenantId(0),
        slug: wanted.slug.clone(),
        number: number(wanted.number)?,
        display_name: tenant_name(display_name)?,
        origins: origins(&wanted.origins)?,
        created_at: at,
    })
}

/// What a change of a tenant sets.
pub fn patched(stored: Tenant, wanted: &v1::Tenant, paths: &[String]) -> Result<Tenant> {
    if paths.is_empty() {
        return Err(Error::field("update_mask", "must name a field"));
    }
    paths.iter().try_fold(stored, |row, path| {
        Ok(match path.as_str() {
            "number" => Tenant { number: number(wanted.number)?, ..row },
            "display_name" => Tenant { display_name: tenant_name(&wanted.display_name)?, ..row },
            "origins" => Tenant { origins: origins(&wanted.origins)?, ..row },
            _ => {
                return Err(Error::field("update_mask", "must name number, display_name or origins"));
            }
        })
    })
}

/// A user to create or change, without the password.
pub fn user(wanted: &v1::User) -> Result<UserUpsert> {
    if !wanted.username.is_empty() {
        username("user.username", &wanted.username)?;
    }
    let given = |value: &String| Some(value.clone()).filter(|value| !value.is_empty());
    let id = field::some_id("user.id", &wanted.id, UserId::parse)?;
    let granted = roles("user.roles", &wanted.roles)?;
    Ok(UserUpsert {
        id,
        display_name: given(&wanted.display_name),
        username: given(&wanted.username).map(|name| field::sign_in_name(&name)),
        email: given(&wanted.email).map(|email| field::address(&email)),
        avatar_url: given(&wanted.avatar_url),
        roles: Some(granted).filter(|roles| !roles.is_empty()),
        identities: wanted.identities.iter().map(identity).collect::<Result<_>>()?,
        disabled: wanted.disabled,
        ..UserUpsert::default()
    })
}

/// An outside identity.
pub fn identity(wanted: &v1::Identity) -> Result<Identity> {
    text("identity.issuer", &wanted.issuer, 1, limits::NAME_CHARS)?;
    text("identity.subject", &wanted.subject, 1, limits::NAME_CHARS)?;
    Ok(Identity { issuer: wanted.issuer.clone(), subject: wanted.subject.clone() })
}

/// Roles by number; none of them unspecified.
pub fn roles(field: &'static str, wanted: &[i32]) -> Result<Roles> {
    wanted.iter().try_fold(Roles::default(), |roles, wanted| {
        let named = v1::Role::try_from(*wanted).ok().and_then(role);
        Ok(roles.with(named.ok_or_else(|| Error::field(field, "must name roles"))?))
    })
}

/// A name to sign in with. One that is blank could not be told from none.
pub fn username(field: &'static str, value: &str) -> Result<()> {
    text(field, value, 1, MAX_USERNAME_CHARS)?;
    if value.trim().is_empty() {
        return Err(Error::field(field, "must not be blank"));
    }
    Ok(())
}

/// A password that may be set.
pub fn password(field: &'static str, value: &str) -> Result<()> {
    text(field, value, password::MIN_CHARS, password::MAX_CHARS)
}

/// An API key to create.
pub struct NewKey {
    pub display_name: String,
    pub kind: ApiKeyKind,
    /// The slugs of the tenants that it opens.
    pub tenants: Vec<String>,
    pub all_tenants: bool,
}

/// An API key to create; which tenants it may open is not looked at.
pub fn key(wanted: &v1::ApiKey) -> Result<NewKey> {
    let kind = match wanted.kind() {
        v1::ApiKeyKind::Widget => ApiKeyKind::Widget,
        v1::ApiKeyKind::Admin => ApiKeyKind::Admin,
        v1::ApiKeyKind::Service => ApiKeyKind::Service,
        v1::ApiKeyKind::Unspecified => return Err(Error::field("api_key.kind", "must be a kind")),
    };
    let (display_name, tenants) = (wanted.display_name.clone(), wanted.tenants.clone());
    Ok(NewKey { display_name, kind, tenants, all_tenants: wanted.all_tenants })
}

fn slug(slug: &str) -> Result<()> {
    if field::is_slug(slug) {
        Ok(())
    } else {
        Err(Error::field("tenant.slug", "must be 2 to 63 of a-z, 0-9 and '-', beginning with a letter"))
    }
}

fn tenant_name(name: &str) -> Result<String> {
    text("tenant.display_name", name, 1, limits::NAME_CHARS)?;
    Ok(name.to_owned())
}

fn number(number: u64) -> Result<Option<i64>> {
    if number > MAX_NUMBER {
        return Err(Error::field("tenant.number", format!("must be at most {MAX_NUMBER}")));
    }
    Ok(Some(signed(number)).filter(|number| *number > 0))
}

fn origins(origins: &[String]) -> Result<Vec<String>> {
    if !origins.iter().all(|origin| is_origin(origin)) {
        return Err(Error::field("tenant.origins", "must be like https://shop.example, without a path"));
    }
    Ok(origins.to_vec())
}

/// RFC 6454: scheme, host and, if it is not the scheme's own, port.
fn is_origin(origin: &str) -> bool {
    let Ok(uri) = origin.parse::<http::Uri>() else { return false };
    let serialised = match (uri.scheme_str(), uri.authority()) {
        (Some(scheme @ ("http" | "https")), Some(authority)) if !authority.as_str().contains('@') => {
            format!("{scheme}://{authority}")
        }
        _ => return false,
    };
    serialised == origin
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_dns_labels() {
        for good in ["ab", "shop-2", &"a".repeat(63)] {
            assert!(slug(good).is_ok(), "{good}");
        }
        for bad in ["a", "", "2ab", "-ab", "Ab", "a_b", "a b", &"a".repeat(64)] {
            assert!(slug(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn origins_have_no_path_and_no_user() {
        assert!(is_origin("https://shop.example"));
        assert!(is_origin("http://localhost:3000"));
        for bad in
            ["https://shop.example/", "https://a@b", "shop.example", "ftp://a", "null", "*", "https://"]
        {
            assert!(!is_origin(bad), "{bad}");
        }
    }

    #[test]
    fn each_limit_is_allowed_and_one_more_is_not() {
        assert!(password("password", &"p".repeat(8)).is_ok());
        assert!(password("password", &"p".repeat(7)).is_err());
        assert!(password("password", &"p".repeat(201)).is_err());
        assert!(username("username", &"u".repeat(MAX_USERNAME_CHARS)).is_ok());
        for bad in ["", " ", "\t\u{a0}", &"u".repeat(MAX_USERNAME_CHARS + 1)] {
            assert!(username("username", bad).is_err(), "{bad:?}");
        }
        assert!(number(MAX_NUMBER).is_ok());
        assert!(number(MAX_NUMBER + 1).is_err());
    }
}
