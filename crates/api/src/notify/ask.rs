//! X mode: the customer is asked at each call (`callin` in Block mode) and its answer steers the call.
//!
//! The answer is read as leniently as the customer API reads requests; `connectInfo` and `closeInfo` may be an object
//! or an array of one, since the vendor's own sample sends the latter. There is one try within a fixed time: a caller
//! is waiting.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axbridge_binding::AppId;
use axbridge_numbering::Number;
use axbridge_store::NotificationScheme;
use parking_lot::Mutex;
use serde_json::Value;

use super::render::callin_body;
use super::sender::{SendError, Sender, Signer};
use crate::answer::Refusal;
use crate::apps::{Application, Applications};
use crate::auth::Scheme;
use crate::customer::params::{Change, Params};

/// What an application is asked: this call has reached one of its numbers.
#[derive(Clone)]
pub struct CallIn {
    /// The call, as in events and records.
    pub session_id: Arc<str>,
    /// The real caller.
    pub caller: Number,
    /// X.
    pub called: Number,
    /// When it came, Unix milliseconds.
    pub at_ms: u64,
}

/// What the customer said, or that it said nothing of use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Put the call through.
    Connect(Box<Connect>),
    /// End it (8017).
    Close(Close),
    /// The answer is one, but holds something that is not allowed (8014). The text names the field.
    Malformed(Cow<'static, str>),
    /// It names a voice file that there is not (8006). The text names the field.
    NoFile(Cow<'static, str>),
    /// There is no answer: late, refused, not JSON, no address to ask (8020).
    Abnormal(Cow<'static, str>),
}

/// `connectInfo`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// Whom to call.
    pub callee: Number,
    /// The callee is shown the real caller instead of X.
    pub show_caller: bool,
    /// Minutes from the answer; 0: no limit.
    pub max_duration_min: u16,
    /// Heard by the caller instead of ring-back.
    pub wait_voice: Option<Arc<str>>,
    /// Record the call.
    pub record: bool,
    /// Played to both before recording.
    pub record_hint_tone: Option<Arc<str>>,
    /// Played to both one minute before the limit.
    pub last_min_voice: Option<Arc<str>>,
    /// Played to the callee after the answer, before the two are joined.
    pub callee_hint_voice: Option<Arc<str>>,
    /// Given back in events and in the record.
    pub user_data: Option<Arc<str>>,
}

/// `closeInfo`, checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Close {
    /// Played before the end.
    pub hint_tone: Option<Arc<str>>,
    /// Given back in events and in the record.
    pub user_data: Option<Arc<str>>,
}

/// How the customers of X mode are asked.
#[derive(Debug, Clone, Copy)]
pub struct AskRules {
    /// From the question to the end of the answer.
    pub timeout: Duration,
    /// Questions at once to one application; more are answered [`Answer::Abnormal`] at once.
    pub per_app: u32,
}

impl Default for AskRules {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(3),
            per_app: 512,
        }
    }
}

/// Asks customers. Clones share connections and limits.
#[derive(Clone)]
pub struct Asker {
    apps: Arc<Applications>,
    sender: Sender,
    rules: AskRules,
    open: Arc<Mutex<HashMap<AppId, u32>>>,
}

impl Asker {
    /// Asks by this sender, whose time limit does not count here.
    #[must_use]
    pub fn new(apps: Arc<Applications>, sender: Sender, rules: AskRules) -> Self {
        Self {
            apps,
            sender,
            rules,
            open: Arc::default(),
        }
    }

    /// Posts `callin` and reads the answer. Always ready within the time limit.
    pub async fn ask(&self, app: AppId, call: &CallIn, wall_ms: u64) -> Answer {
        let began = Instant::now();
        let answer = self.ask_in_time(app, call, wall_ms).await;
        let result = match &answer {
            Answer::Connect(_) => "connect",
            Answer::Close(_) => "close",
            Answer::Malformed(_) => "malformed",
            Answer::NoFile(_) => "no_file",
            Answer::Abnormal(why) => {
                tracing::info!(app = app.0, session = &*call.session_id, %why, "no answer of the customer");
                "abnormal"
            }
        };
        metrics::counter!("axbridge_callin_total", "result" => result).increment(1);
        metrics::histogram!("axbridge_callin_seconds").record(began.elapsed());
        answer
    }

    async fn ask_in_time(&self, id: AppId, call: &CallIn, wall_ms: u64) -> Answer {
        let Some(app) = self.apps.by_id(id.0) else {
            return Answer::Abnormal("the application does not exist any more".into());
        };
        let Some(url) = callin_url(&app) else {
            return Answer::Abnormal("the application has no call status URL".into());
        };
        let Some(_place) = self.place(id) else {
            return Answer::Abnormal("too many questions are waiting for this customer".into());
        };
        let Some(body) = callin_body(call) else {
            return Answer::Abnormal("the question cannot be written".into());
        };
        let asked = self
            .sender
            .post_for_answer(url, signer(&app), body, wall_ms);
        match tokio::time::timeout(self.rules.timeout, asked).await {
            Ok(Ok(answer)) => read_answer(&app, call, &answer),
            Ok(Err(error)) => Answer::Abnormal(error.to_string().into()),
            Err(_) => Answer::Abnormal(SendError::Timeout(self.rules.timeout).to_string().into()),
        }
    }

    fn place(&self, app: AppId) -> Option<Place> {
        let mut open = self.open.lock();
        let count = open.entry(app).or_insert(0);
        if *count >= self.rules.per_app {
            return None;
        }
        *count += 1;
        Some(Place {
            open: Arc::clone(&self.open),
            app,
        })
    }
}

/// One question on its way; given up when dropped.
struct Place {
    open: Arc<Mutex<HashMap<AppId, u32>>>,
    app: AppId,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.open.lock();
        if let Some(count) = open.get_mut(&self.app) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.app);
            }
        }
    }
}

fn callin_url(app: &Application) -> Option<&str> {
    let settings = &app.record.settings;
    let own = settings.callin_url.as_deref();
    own.or(settings.call_status_url.as_deref())
}

/// Signs as the application wants it.
pub(super) fn signer(app: &Application) -> Signer<'_> {
    Signer {
        key: &app.record.key,
        secret: app.record.secret.reveal(),
        scheme: match app.record.settings.notification_scheme {
            NotificationScheme::Aksk => Scheme::Aksk,
            NotificationScheme::Wsse => Scheme::Wsse,
        },
    }
}

/// Reads the body of an answer.
pub(crate) fn read_answer(app: &Application, call: &CallIn, body: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(body);
    let Ok(value) = serde_json::from_str::<Value>(text.trim_start_matches('\u{feff}')) else {
        return Answer::Abnormal("the answer is not JSON".into());
    };
    let Some(p) = Params::one(value) else {
        return Answer::Malformed("the answer must be an object".into());
    };
    match steer(app, call, &p) {
        Ok(answer) => answer,
        Err(refusal) => Answer::Malformed(refusal.detail),
    }
}

fn steer(app: &Application, call: &CallIn, p: &Params) -> Result<Answer, Refusal> {
    let (connect, close) = (p.one_object("connectInfo")?, p.one_object("closeInfo")?);
    let operation = p.text("operation", 1, 32)?.value();
    let wanted = operation.as_deref().map(|o| o.trim().to_ascii_lowercase());
    // The table calls the operation optional; then what is there says what is meant.
    let wanted = match wanted.as_deref() {
        Some("connect") => true,
        Some("close") => false,
        Some(_) => return Err(Refusal::parameter("operation", "must be connect or close")),
        None if connect.is_some() => true,
        None if close.is_some() => false,
        None => return Err(Refusal::parameter("operation", "is missing")),
    };
    if wanted {
        let info = connect.ok_or_else(|| Refusal::parameter("connectInfo", "is missing"))?;
        connected(app, call, &info)
    } else {
        closed(app, &close.unwrap_or_default())
    }
}

fn connected(app: &Application, call: &CallIn, p: &Params) -> Result<Answer, Refusal> {
    let callee = p
        .number("calleeNum")?
        .ok_or_else(|| Refusal::parameter("calleeNum", "is missing"))?;
    if callee == call.called {
        return Err(Refusal::parameter(
            "calleeNum",
            "must not be the number called",
        ));
    }
    let show_caller = match p.number("displayCalleeNum")? {
        None => false,
        Some(shown) if shown == call.called => false,
        Some(shown) if shown == call.caller => true,
        Some(_) => {
            return Err(Refusal::parameter(
                "displayCalleeNum",
                "must be the real caller or the number called",
            ));
        }
    };
    let max_duration_min = p.integer("maxDuration", 0, 1440)?.unwrap_or(0) as u16;
    // Without recording in the application there is none, as documented; the call is not refused for it.
    let record = p.flag("recordFlag")?.unwrap_or(false) && app.record.settings.recording;
    // Files that would not be played are not looked for.
    let mut files = Files { app, missing: None };
    let connect = Connect {
        callee,
        show_caller,
        max_duration_min,
        wait_voice: files.find(p, "waitVoice", true)?,
        record,
        record_hint_tone: files.find(p, "recordHintTone", record)?,
        last_min_voice: files.find(p, "lastMinVoice", max_duration_min > 0)?,
        callee_hint_voice: files.find(p, "calleeHintVoice", true)?,
        user_data: user_data(p)?,
    };
    Ok(match files.missing {
        None => Answer::Connect(Box::new(connect)),
        Some(name) => no_file(name),
    })
}

fn closed(app: &Application, p: &Params) -> Result<Answer, Refusal> {
    let mut files = Files { app, missing: None };
    let close = Close {
        hint_tone: files.find(p, "closeHintTone", true)?,
        user_data: user_data(p)?,
    };
    Ok(match files.missing {
        None => Answer::Close(close),
        Some(name) => no_file(name),
    })
}

fn no_file(name: &'static str) -> Answer {
    Answer::NoFile(format!("{name} names a voice file that does not exist").into())
}

/// Looks for voice files and remembers the first that there is not.
struct Files<'a> {
    app: &'a Application,
    missing: Option<&'static str>,
}

impl Files<'_> {
    fn find(
        &mut self,
        p: &Params,
        name: &'static str,
        used: bool,
    ) -> Result<Option<Arc<str>>, Refusal> {
        let Change::Set(file) = p.text(name, 1, 128)? else {
            return Ok(None);
        };
        if !used {
            return Ok(None);
        }
        let found = self.app.prompt(&file);
        if found.is_none() {
            self.missing.get_or_insert(name);
        }
        Ok(found)
    }
}

fn user_data(p: &Params) -> Result<Option<Arc<str>>, Refusal> {
    crate::customer::fields::user_data(p).map(Change::value)
}
