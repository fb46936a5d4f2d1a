//! What the switch of a simulated world is given: trunks, applications, prompts, numbers and bindings.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axbridge_binding::{AppId, Axb, NumberInfo, Policy, SubscriptionId, TrunkId};
use axbridge_call::{App, AppPrompts, Directory, Listen, Snapshot, Standing, SwitchConfig, Trunk};
use axbridge_media::{Prompt, Side, tone};
use axbridge_numbering::{Number, NumberRules};
use axbridge_sip::{EndpointConfig, Transport};

use crate::clock::WALL_START_MS;
use crate::kinds::{self, Cast, Kind};
use crate::plan::{Bound, Story, TrunkPlan};
use crate::plane::media_ip;
use crate::world::switch_address;

fn prompt(ms: u32) -> Arc<Prompt> {
    let samples = tone::sine(440.0, ms, 8000);
    Prompt::from_linear(&samples).map_or_else(|_| Arc::new(tone::ring_back()), Arc::new)
}

struct Prompts {
    pre_voice: Arc<Prompt>,
    hint: Arc<Prompt>,
    last: Arc<Prompt>,
    refusal: Arc<Prompt>,
    ring_back: Arc<Prompt>,
}

fn prompts() -> &'static Prompts {
    static PROMPTS: OnceLock<Prompts> = OnceLock::new();
    PROMPTS.get_or_init(|| Prompts {
        pre_voice: prompt(2_500),
        hint: prompt(1_200),
        last: prompt(2_000),
        refusal: prompt(3_000),
        ring_back: Arc::new(tone::ring_back()),
    })
}

/// The settings of a switch for these stories.
pub(crate) fn config(stories: &[Story]) -> SwitchConfig {
    SwitchConfig {
        node: "sim".into(),
        host: "axbridge.example".into(),
        shard: 0,
        shards: 1,
        listen: vec![Listen {
            transport: Transport::Udp,
            local: switch_address(),
            advertised: switch_address(),
        }],
        calls_max: 1000,
        minute: stories
            .first()
            .map_or(Duration::from_secs(60), |s| s.rules.minute),
        closing_max: Duration::from_secs(5),
        ring_back: prompts().ring_back.clone(),
        trace: true,
        sip: EndpointConfig {
            user_agent: "axbridge".into(),
            ..EndpointConfig::default()
        },
    }
}

fn trunk(
    id: u16,
    peer: SocketAddr,
    plan: &TrunkPlan,
    media: IpAddr,
    answer_for_menu: bool,
) -> Arc<Trunk> {
    Arc::new(Trunk {
        answer_for_menu,
        numbers: NumberRules {
            out: plan.out,
            ..NumberRules::default()
        },
        media_ip: Some(media),
        prack: plan.prack,
        user_phone: plan.user_phone,
        asserted_identity: plan.asserted_identity,
        ..Trunk::new(TrunkId(id), format!("trunk {id}"), vec![peer])
    })
}

/// Puts trunks, application, number and binding of a story where the switch finds them.
pub(crate) fn install(
    index: usize,
    story: &Story,
    [a, b, x, other]: [&str; 4],
    directory: &Directory,
    snapshot: &mut Snapshot,
) -> Cast {
    let [a_trunk, b_trunk] = [index as u16 * 2 + 1, index as u16 * 2 + 2];
    let peer = |side: u8| SocketAddr::from(([10, 1 + side, 100 + index as u8, 117], 5060));
    let menu = story.kind != Kind::Axe { answers: false };
    let [a_media, b_media] = [Side::A, Side::B].map(|side| media_ip(index, side));
    let made = [
        trunk(a_trunk, peer(0), &story.a_trunk, a_media, menu),
        trunk(b_trunk, peer(1), &story.b_trunk, b_media, menu),
    ];
    for t in made {
        snapshot.trunks.insert(t.id, t);
    }
    let app = AppId(index as u32 + 1);
    snapshot.apps.insert(app, application(app, story));
    let number = |text: &str| Number::parse_global(text).unwrap_or_else(|_| unreachable!("{text}"));
    let (a, b, x) = (number(a), number(b), number(x));
    let cast = Cast {
        app,
        subscription: SubscriptionId(index as u128 + 77),
        caller: a,
        callee: b,
        dialled: x,
        other: number(other),
    };
    if story.bound == Bound::NoSuchX {
        return cast;
    }
    let info = NumberInfo {
        app,
        status: story.bound.status(),
        trunk: TrunkId(b_trunk),
        mode: story.kind.mode(),
        area: None,
    };
    directory.table.set_number(x, info);
    if story.kind != Kind::Axb {
        directory.table.set_number(cast.other, info);
        kinds::publish(&directory.table, story, &cast, policy(story));
        return cast;
    }
    let caller_is_a = !matches!(story.bound, Bound::Yes { caller_is_a: false });
    let (first, second) = if caller_is_a { (a, b) } else { (b, a) };
    let someone = number("+8613900099999");
    let axb = Axb {
        subscription: cast.subscription,
        app,
        x,
        a: if story.bound == Bound::Others {
            someone
        } else {
            first
        },
        b: second,
        direction: story.bound.direction(),
        expires_at_ms: match story.bound {
            Bound::ExpiresIn(ms) => {
                let arrives = story.starts + story.a_link.delay;
                let at = WALL_START_MS + arrives.as_millis() as u64;
                Some(at.saturating_add_signed(ms))
            }
            _ => None,
        },
        policy: policy(story),
        user_data: Some("order 4711".into()),
    };
    if directory.table.publish_axb(&axb).is_err() {
        unreachable!("a binding that the table takes");
    }
    cast
}

/// The rules of a story's binding.
pub(crate) fn policy(story: &Story) -> Policy {
    let rules = &story.rules;
    let name = |on: bool, name: &str| on.then(|| Arc::from(name));
    Policy {
        max_duration_min: rules.minutes,
        last_min_voice: name(rules.last_minute_voice, "last.wav"),
        record: rules.record,
        record_hint_tone: name(rules.record_hint, "hint.wav"),
        pre_voice_caller: name(rules.pre_voice, "pre.wav"),
        pre_voice_callee: name(rules.pre_voice, "pre.wav"),
        warn_before_s: 60,
        private_sms: true,
    }
}

fn application(id: AppId, story: &Story) -> Arc<App> {
    let p = prompts();
    let refusal = story.rules.refusal_prompts.then(|| p.refusal.clone());
    Arc::new(App {
        recording: true,
        layout: story.rules.layout,
        refusals: AppPrompts {
            no_permission: refusal.clone(),
            service_abnormal: refusal.clone(),
            no_binding: refusal,
            ..AppPrompts::default()
        },
        prompts: [
            ("last.wav", &p.last),
            ("hint.wav", &p.hint),
            ("pre.wav", &p.pre_voice),
        ]
        .into_iter()
        .map(|(name, prompt)| (Arc::from(name), prompt.clone()))
        .collect(),
        answer_timeout_ms: story.rules.answer_timeout.as_millis() as u64,
        standing: match story.bound {
            Bound::AppSuspended => Standing::Suspended,
            _ => Standing::Active,
        },
        ..App::new(id, "simulated")
    })
}
