//! Who is asking: the AKSK and WSSE schemes, the time window, nonces, bans, address lists and rates.
//!
//! The order of the checks decides which of several faults is named; it is the order of [`Authenticator::check`]:
//! ban, `Authorization`, `X-AKSK`, time, application, address, digest, nonce, state, rate. Nothing about an application
//! (digest, nonce, rate) is touched before the one before it holds, so a stranger cannot use up another's nonces or rate.

mod ban;
mod digest;
mod grammar;
mod nonce;
mod rate;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};

pub use ban::{BanRules, Banned, Bans};
pub use digest::Scheme;
pub(crate) use digest::hmac_sha256;
pub use rate::Rate;

use crate::answer::Refusal;
use axbridge_store::AppStatus;

use crate::apps::{Application, Applications};
use crate::text_time::parse_created;
use grammar::Attributes;
use nonce::NonceCache;
use rate::Buckets;

/// Some official samples send Beijing time with a literal `Z`.
const BEIJING_MS: i64 = 8 * 3600 * 1000;
const NONCE_LEN_MAX: usize = 128;

/// What configuration may change about authentication.
#[derive(Debug, Clone)]
pub struct AuthRules {
    /// How far `Created` may be from now, in either reading.
    pub window: Duration,
    /// Used nonces remembered at most, over all applications (about 16 bytes each).
    pub nonces: usize,
    /// When addresses are banned.
    pub bans: BanRules,
}

impl Default for AuthRules {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(15 * 60),
            nonces: 2_000_000,
            bans: BanRules::default(),
        }
    }
}

/// Proof that a request was authenticated as this application; only [`Authenticator::check`] makes one.
#[derive(Debug, Clone)]
pub struct Authorised {
    app: Arc<Application>,
}

impl Authorised {
    /// The application that asks.
    #[must_use]
    pub fn app(&self) -> &Application {
        &self.app
    }
}

/// Checks requests of the customer API.
#[derive(Debug)]
pub struct Authenticator {
    rules: AuthRules,
    apps: Arc<Applications>,
    nonces: NonceCache,
    bans: Arc<Bans>,
    buckets: Buckets,
}

/// The attributes of `X-AKSK` or `X-WSSE`.
struct Credentials<'a> {
    username: &'a str,
    nonce: &'a str,
    created: &'a str,
    digest: &'a str,
}

impl Authenticator {
    /// An authenticator for these applications.
    #[must_use]
    pub fn new(rules: AuthRules, apps: Arc<Applications>) -> Self {
        Self {
            nonces: NonceCache::new(rules.nonces),
            bans: Arc::new(Bans::new(rules.bans)),
            buckets: Buckets::default(),
            rules,
            apps,
        }
    }

    /// The banned addresses, shared with the operator API.
    #[must_use]
    pub fn bans(&self) -> &Arc<Bans> {
        &self.bans
    }

    /// Forgets rate and nonces of an application that was deleted.
    pub fn forget(&self, app: u32) {
        self.buckets.forget(app);
        self.nonces.forget(app);
    }

    /// Checks one request.
    ///
    /// # Errors
    /// The refusal to send back, see the module for the order.
    pub fn check(
        &self,
        headers: &HeaderMap,
        from: IpAddr,
        wall_ms: u64,
        mono: Instant,
    ) -> Result<Authorised, Refusal> {
        self.not_banned(from, mono)?;
        let scheme = authorization(headers)?;
        let text = headers.get(scheme.header()).and_then(|v| v.to_str().ok());
        let credentials = credentials(scheme, text)?;
        let forget_ms = self.created_in_window(credentials.created, wall_ms)?;
        let Some(app) = self.apps.by_key(credentials.username) else {
            self.failed(from, mono, "unknown app key");
            return Err(
                Refusal::new(StatusCode::FORBIDDEN, "1010003", "Invalid app_key.")
                    .detail("No application has the key given as Username."),
            );
        };
        on_address_list(&app, from)?;
        if !scheme.matches(
            credentials.digest,
            app.record.secret.reveal(),
            credentials.nonce,
            credentials.created,
        ) {
            self.failed(from, mono, "wrong digest");
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "1023006", "Authentication failed.").detail(format!(
                "PasswordDigest of {} does not fit the application's secret, Nonce and Created.",
                scheme.header()
            )));
        }
        if !self
            .nonces
            .insert(app.id, credentials.nonce, wall_ms, forget_ms)
        {
            return Err(Refusal::invalid("The nonce has been used.")
                .detail("Every request needs a Nonce of its own, a repeated one as well."));
        }
        usable(&app)?;
        self.buckets
            .take(app.id, app.rate(), mono)
            .map_err(|wait| flow_control(&app, wait))?;
        Ok(Authorised { app })
    }

    fn not_banned(&self, from: IpAddr, mono: Instant) -> Result<(), Refusal> {
        let Some(left) = self.bans.banned(from, mono) else {
            return Ok(());
        };
        let mut refusal =
            Refusal::new(StatusCode::FORBIDDEN, "1020176", "Authentication failed, try again later").detail(
                "Too many requests from this address failed to authenticate. It is free again after the time in \
                 Retry-After, or when the operator lifts the ban.",
            );
        refusal.retry_after_s = Some(left.as_secs() + 1);
        Err(refusal)
    }

    /// Counts a failure of this address, also for the operator API's token.
    pub(crate) fn failed(&self, from: IpAddr, mono: Instant, why: &'static str) {
        metrics::counter!("axbridge_api_auth_failures_total", "why" => why).increment(1);
        if self.bans.failed(from, mono) {
            tracing::warn!(address = %from, why, "address banned after repeated authentication failures");
        }
    }

    /// When the nonce of an accepted `Created` may be forgotten: after the last moment at which either reading of it
    /// would still be accepted.
    fn created_in_window(&self, created: &str, wall_ms: u64) -> Result<u64, Refusal> {
        let late = |detail: String| {
            Refusal::new(StatusCode::BAD_REQUEST, "1010013", "Time out limit.").detail(detail)
        };
        let Some(as_utc) = parse_created(created) else {
            return Err(late(
                "Created must be written as yyyy-MM-ddTHH:mm:ssZ.".into(),
            ));
        };
        let window = i64::try_from(self.rules.window.as_millis()).unwrap_or(i64::MAX / 4);
        let now = i64::try_from(wall_ms).unwrap_or(i64::MAX / 4);
        let near = |moment: i64| (moment - now).abs() <= window;
        if !near(as_utc) && !near(as_utc - BEIJING_MS) {
            return Err(late(format!(
                "Created is more than {} minutes from this server's clock, read as UTC and as UTC+8.",
                self.rules.window.as_secs() / 60
            )));
        }
        Ok(u64::try_from(as_utc + window + 1).unwrap_or(0))
    }
}

/// The checks of `Authorization`, 1023006 to 1023012.
fn authorization(headers: &HeaderMap) -> Result<Scheme, Refusal> {
    let bad = |code, desc: &'static str| {
        Refusal::new(StatusCode::BAD_REQUEST, code, desc).detail(
            "Authorization must be: AKSK realm=\"SDP\",profile=\"UsernameToken\",type=\"Appkey\"",
        )
    };
    let missing = || bad("1023006", "Authorization not contained in the HTTP header.");
    let text = headers
        .get(AUTHORIZATION)
        .and_then(|v| v.to_str().ok())
        .ok_or_else(missing)?;
    let attributes = Attributes::parse(text);
    let scheme = if attributes.scheme.eq_ignore_ascii_case("AKSK") {
        Scheme::Aksk
    } else if attributes.scheme.eq_ignore_ascii_case("WSSE") {
        Scheme::Wsse
    } else {
        return Err(missing());
    };
    let realm = attributes
        .value("realm")
        .ok_or_else(|| bad("1023007", "realm not contained in Authorization."))?;
    let profile = attributes
        .value("profile")
        .ok_or_else(|| bad("1023008", "profile not contained in Authorization."))?;
    if realm != "SDP" {
        return Err(bad(
            "1023009",
            "The value of realm in Authorization must be SDP.",
        ));
    }
    if profile != "UsernameToken" {
        return Err(bad(
            "1023010",
            "The value of profile in Authorization must be UsernameToken.",
        ));
    }
    match attributes.value("type") {
        None => Err(bad("1023012", "type not contained in Authorization.")),
        Some(kind) if kind != "Appkey" => Err(bad(
            "1023011",
            "The value of type in Authorization must be app_key.",
        )),
        Some(_) => Ok(scheme),
    }
}

/// The checks of `X-AKSK` or `X-WSSE`, 1023033 to 1023037.
fn credentials(scheme: Scheme, text: Option<&str>) -> Result<Credentials<'_>, Refusal> {
    let header = scheme.header();
    let bad = |code, desc: String| {
        Refusal::new(StatusCode::BAD_REQUEST, code, desc).detail(format!(
            "{header} must be: UsernameToken Username=\"...\",PasswordDigest=\"...\",Nonce=\"...\",Created=\"...\""
        ))
    };
    let text =
        text.ok_or_else(|| bad("1023033", format!("HTTP header not found {header} field.")))?;
    let attributes = Attributes::parse(text);
    let need = |name, code, shown: &str| {
        attributes
            .value(name)
            .ok_or_else(|| bad(code, format!("{shown} not contained in {header}.")))
    };
    let username = need("Username", "1023034", "UserName")?;
    let nonce = need("Nonce", "1023035", "Nonce")?;
    let created = need("Created", "1023036", "Created")?;
    let digest = need("PasswordDigest", "1023037", "PasswordDigest")?;
    if nonce.len() > NONCE_LEN_MAX {
        return Err(Refusal::parameter(
            "Nonce",
            "must be 1 to 128 characters long",
        ));
    }
    Ok(Credentials {
        username,
        nonce,
        created,
        digest,
    })
}

fn on_address_list(app: &Application, from: IpAddr) -> Result<(), Refusal> {
    if app.admits(from) {
        return Ok(());
    }
    metrics::counter!("axbridge_api_auth_failures_total", "why" => "address list").increment(1);
    Err(Refusal::new(
        StatusCode::FORBIDDEN,
        "1020166",
        "The app client ip is not in ip white list.",
    )
    .detail("The address this request came from is not on the application's address list."))
}

fn usable(app: &Application) -> Result<(), Refusal> {
    match app.record.status {
        AppStatus::Active => Ok(()),
        AppStatus::Suspended => Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "1010008",
            "The status of the app_key is unavailable.",
        )
        .detail("The operator has suspended this application.")),
        AppStatus::Frozen => Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "1010029",
            "The subscriber status is frozen.",
        )
        .detail("The account of this application is frozen.")),
    }
}

fn flow_control(app: &Application, wait: Duration) -> Refusal {
    metrics::counter!("axbridge_api_rate_limited_total").increment(1);
    let mut refusal = Refusal::new(
        StatusCode::FORBIDDEN,
        "1010010",
        "The flow control upper limit is reached on the platform.",
    )
    .detail(format!(
        "This application may send {} requests a second.",
        app.rate().per_second
    ));
    refusal.retry_after_s = Some(wait.as_secs().max(1));
    refusal
}
