//! People: made and changed by admins and service keys, seen by staff and by themselves.

use parlor_api::v1;
use parlor_store::{Error as StoreError, Mutation, TenantId, User, UserId, UserUpsert, What};

use super::{Directory, PAGE, convert, decode, probe, scope, slug};
use crate::{
    Error, Result,
    caller::{Caller, Principal},
    field,
    password::Client,
    request,
    wire::signed,
};

/// An admin is nobody who floods.
const TRUSTED: Client = Client { network: None, is_known: true };

impl Directory {
    pub(super) async fn upsert_user(
        &self,
        caller: &Caller,
        request: v1::UpsertUserRequest,
    ) -> Result<v1::UpsertUserResponse> {
        let admin = caller.admin()?;
        let wanted = field::given("user", request.user.clone())?;
        let mut upsert = decode::user(&wanted)?;
        let key = self.requests.key(admin, "UpsertUser", &request.request_id, &request)?;
        if let Some(key) = &key
            && let Some(first) = self.store.replay(key).await?
        {
            // Spares a repetition the hashing.
            return prost::Message::decode(first.as_slice())
                .map_err(|error| Error::Internal(format!("a recorded answer cannot be read: {error}")));
        }
        if !request.password.is_empty() {
            decode::password("password", &request.password)?;
            upsert.password_hash = Some(self.passwords.hash(TRUSTED, request.password).await?);
        }
        if upsert.id.is_none() {
            upsert.id = self.found_by_name(admin.tenant, &upsert).await?;
        }
        let respond = |(row, created): &(User, bool)| v1::UpsertUserResponse {
            user: Some(convert::user(row)),
            created: *created,
        };
        let mutation = Mutation::upsert_user(admin.tenant, upsert, self.clock.now());
        let response = request::apply(&self.store, key, mutation, respond).await?.response;
        let changed = response.user.as_ref().and_then(|user| UserId::parse(&user.id));
        if let Some(id) = changed {
            self.auth.standing().forget_user(admin.tenant, id);
        }
        Ok(response)
    }

    /// The store finds a user by id and by identity, and refuses a name that is taken. Here, where an admin speaks, the
    /// holder of the name is who is meant.
    async fn found_by_name(&self, tenant: TenantId, wanted: &UserUpsert) -> Result<Option<UserId>> {
        for identity in &wanted.identities {
            match self.store.directory.user_by_identity(tenant, identity).await {
                Ok(_) => return Ok(None),
                Err(StoreError::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let Some(username) = &wanted.username else { return Ok(None) };
        match self.store.directory.user_by_username(tenant, username).await {
            Ok(user) => Ok(Some(user.id)),
            Err(StoreError::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn get_user(
        &self,
        caller: &Caller,
        selector: Option<v1::get_user_request::Selector>,
    ) -> Result<User> {
        use v1::get_user_request::Selector;
        let principal = caller.principal()?;
        let tenant = principal.tenant;
        let selector = field::given("selector", selector)?;
        let found = match &selector {
            Selector::Id(id) => {
                let id = field::id("id", id, UserId::parse)?;
                self.store.directory.user(tenant, id).await
            }
            Selector::Identity(identity) => {
                self.store.directory.user_by_identity(tenant, &decode::identity(identity)?).await
            }
            Selector::Username(username) => self.store.directory.user_by_username(tenant, username).await,
            Selector::Number(number) => self.store.directory.user_by_number(tenant, signed(*number)).await,
        };
        let user = found?;
        // Whoever may not see a user does not learn that there is one.
        if principal.is_staff() || is_self(principal, &user) {
            Ok(user)
        } else {
            Err(Error::NotFound(What::User))
        }
    }

    pub(super) async fn list_users(
        &self,
        caller: &Caller,
        request: &v1::ListUsersRequest,
    ) -> Result<v1::ListUsersResponse> {
        let staff = caller.staff()?;
        let role = match request.role {
            0 => None,
            role => Some(decode::roles("role", &[role])?),
        };
        let filter = role.unwrap_or_default().0.to_string();
        let scope = scope("ListUsers", slug(staff), &filter);
        let size = PAGE.of(request.page_size)?;
        let after: i64 = self.pages.open(&scope, &request.page_token)?.unwrap_or_default();
        let rows = self.store.directory.list_users(staff.tenant, role, after, probe(size)).await?;
        let more = rows.len() > size;
        let page = &rows[..rows.len().min(size)];
        let last = page.last().filter(|_| more);
        Ok(v1::ListUsersResponse {
            users: page.iter().map(convert::user).collect(),
            next_page_token: last.map(|row| self.pages.seal(&scope, &row.number)).unwrap_or_default(),
        })
    }
}

fn is_self(principal: &Principal, user: &User) -> bool {
    principal.user_id() == Some(user.id)
}
