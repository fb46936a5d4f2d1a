//! Every way a call can end, brought about in a switch: what the caller is told, what the events and the record say.
//! The numbers are in `outcome::tests`; here the row is what has to come out.

#![allow(clippy::unwrap_used)] // A test that cannot go on fails.

mod bench;
mod common;

use std::sync::Arc;
use std::time::Duration;

use axbridge_binding::{
    Ax, Axb, Axe, AxybX, CallBack, CallDirection, Extension, NumberStatus, Policy, RouteKind,
    SubscriptionId,
};
use axbridge_call::{
    Answer, Bar, Blocked, CallRate, CallTimeRule, CallingHours, ConnectRateRule, ConnectTo, Ending,
    FactKind, Party, Standing, StoppedBy,
};
use axbridge_media::Side;
use bench::{APP, Bench, Dial, G729, START_MS, STRANGER, World};
use common::{A, B, X, number};

const SECOND: Duration = Duration::from_secs(1);
const EXTENSION: &str = "3517";

fn axb_of(policy: Policy, direction: CallDirection) -> World {
    let world = World::of_mode(RouteKind::Axb);
    let axb = Axb {
        subscription: SubscriptionId(7),
        app: APP,
        x: number(X),
        a: number(A),
        b: number(B),
        direction,
        expires_at_ms: None,
        policy,
        user_data: None,
    };
    world.table.publish_axb(&axb).unwrap();
    world
}

/// A and a callee of whatever number.
fn axb_to(b: &str) -> World {
    let world = axb();
    let axb = Axb {
        subscription: SubscriptionId(8),
        app: APP,
        x: number(X),
        a: number(STRANGER),
        b: number(b),
        direction: CallDirection::Both,
        expires_at_ms: None,
        policy: Policy::default(),
        user_data: None,
    };
    world.table.publish_axb(&axb).unwrap();
    world
}

fn axb() -> World {
    axb_of(Policy::default(), CallDirection::Both)
}

fn ax(change: impl FnOnce(&mut Ax)) -> World {
    let world = World::of_mode(RouteKind::Ax);
    let mut ax = Ax {
        subscription: SubscriptionId(7),
        app: APP,
        x: number(X),
        a: number(A),
        direction: CallDirection::Both,
        show_caller: false,
        turned_off: false,
        temporary: None,
        last_caller: None,
        policy: Policy::default(),
        user_data: None,
    };
    change(&mut ax);
    world.table.publish_ax(&ax).unwrap();
    world
}

fn axe() -> World {
    let mut world = World::of_mode(RouteKind::Axe);
    world.app.menu.tries = 1;
    let axe = Axe {
        subscription: SubscriptionId(7),
        app: APP,
        x: number(X),
        a: number(A),
        extension: Extension::parse(EXTENSION).unwrap(),
        show_caller: false,
        expires_at_ms: Some(START_MS + 1_000_000),
        reached: None,
        otherwise: CallBack::OfApplication,
        policy: Policy::default(),
        user_data: None,
    };
    world.table.publish_axe(&axe).unwrap();
    world
}

fn axyb() -> World {
    let world = World::of_mode(RouteKind::Axyb);
    let part = AxybX {
        subscription: SubscriptionId(7),
        app: APP,
        x: number(X),
        a: number(A),
        direction: CallDirection::Both,
        expires_at_ms: None,
        user_data: None,
    };
    world.table.publish_axyb_x(&part).unwrap();
    world
}

fn by_stranger() -> Dial<'static> {
    Dial {
        from: STRANGER,
        ..Dial::default()
    }
}

/// A call of A to X in this world, as far as it gets by itself.
fn dialled(world: World) -> Bench {
    dialled_by(world, &Dial::default())
}

fn dialled_by(world: World, dial: &Dial<'_>) -> Bench {
    let mut bench = world.start();
    bench.dial(dial);
    bench
}

fn talking(world: World) -> Bench {
    let mut bench = dialled(world);
    bench.talk(&Dial::default());
    bench
}

fn asked(answer: Answer) -> Bench {
    let mut bench = dialled(World::of_mode(RouteKind::X));
    bench.told(answer);
    bench
}

/// The same call once more while the first one rings.
fn dialled_again(world: World, dial: &Dial<'_>) -> Bench {
    let mut bench = dialled_by(world, dial);
    bench.facts.clear();
    bench.dial(&Dial {
        call_id: "c2",
        ..*dial
    });
    bench
}

const ABROAD: &str = "+12025550100";
const ONE: CallRate = CallRate {
    per_minute: 1,
    per_hour: 0,
    per_day: 0,
};

/// A call that a rule of the operator keeps from being made.
fn barred(bar: Bar) -> Bench {
    let mut world = axb();
    match bar {
        Bar::Caller | Bar::Callee => {
            let (party, pattern) = match bar {
                Bar::Caller => (Party::Caller, A),
                _ => (Party::Callee, B),
            };
            world.blocked = vec![Blocked {
                app: None,
                party,
                pattern: pattern.parse().unwrap(),
            }];
        }
        Bar::DeveloperRate => world.rules.rate = ONE,
        Bar::AppRate => world.app.rules.rate = ONE,
        Bar::DisplayRate => world.app.rules.rate_per_display = ONE,
        Bar::NumberRate => world.app.rules.rate_per_number = ONE,
        Bar::CallerRate => world.app.rules.rate_per_caller = ONE,
        Bar::CalleeRate => world.app.rules.rate_per_callee = ONE,
        // Two in the morning in China at the beginning.
        Bar::TimeOfDay => {
            world.app.rules.hours = vec![CallingHours::daily("09:00", "18:00").unwrap()];
        }
        Bar::Landline => {
            let fixed = Dial {
                from: "+861000000001",
                ..Dial::default()
            };
            return dialled_by(world, &fixed);
        }
        Bar::InternationalIn => {
            world.app.rules.international_in = false;
            let abroad = Dial {
                from: ABROAD,
                ..Dial::default()
            };
            return dialled_by(world, &abroad);
        }
        Bar::InternationalOut => {
            world = axb_to(ABROAD);
            world.app.rules.international_out = false;
            return dialled_by(world, &by_stranger());
        }
        Bar::ConnectRate => {
            world.app.rules.connect_rate = ConnectRateRule {
                calls_min: 1,
                answered_percent_min: 100,
            };
            return dialled_after(world, |bench| bench.callee_says(486));
        }
        Bar::CallTime => {
            world.app.rules.call_time = CallTimeRule {
                calls_min: 1,
                short_s: 5,
                short_percent_max: 0,
            };
            return dialled_after(world, |bench| {
                bench.talk(&Dial::default());
                bench.callee_hangs_up();
            });
        }
        Bar::RealCallerShown => {
            world = ax(|ax| ax.show_caller = true);
            world.trunks[1].shows_callers = false;
            return dialled_by(world, &by_stranger());
        }
    }
    match bar {
        Bar::Caller | Bar::Callee | Bar::TimeOfDay => dialled(world),
        _ => dialled_again(world, &Dial::default()),
    }
}

/// A call after another one that went so.
fn dialled_after(world: World, went: impl FnOnce(&mut Bench)) -> Bench {
    let mut bench = dialled(world);
    went(&mut bench);
    bench.wait(20 * SECOND);
    bench.facts.clear();
    bench.dial(&Dial {
        call_id: "c2",
        ..Dial::default()
    });
    bench
}

/// A call that ends so. None: no call in a switch can.
#[allow(clippy::too_many_lines)] // A table.
fn run(ending: Ending) -> Option<Bench> {
    use Ending as E;
    let plain = Dial::default();
    let mut bench = match ending {
        E::CallerHungUp | E::CalleeHungUp | E::StoppedByApplication | E::StoppedByOperator => {
            talking(axb())
        }
        E::CallerMediaLost | E::CalleeMediaLost | E::CalleeLost => talking(axb()),
        E::CallerGaveUp | E::CallerGaveUpRinging | E::StoppedBeforeAnswer | E::AnswerTimeout => {
            dialled(axb())
        }
        E::CalleeFailed { .. } | E::CalleeUnreachable | E::CallerLost => dialled(axb()),
        E::MaxDuration => {
            let policy = Policy {
                max_duration_min: 1,
                ..Policy::default()
            };
            talking(axb_of(policy, CallDirection::Both))
        }
        E::NoBinding => dialled_by(axb(), &by_stranger()),
        E::WrongDirection => dialled(axb_of(Policy::default(), CallDirection::CalleeOnly)),
        E::NumberUnusable => {
            let world = axb();
            world.set_number(X, RouteKind::Axb, NumberStatus::Suspended);
            dialled(world)
        }
        E::AppSuspended | E::SubscriberFrozen => {
            let mut world = axb();
            world.app.standing = match ending {
                E::AppSuspended => Standing::Suspended,
                _ => Standing::Frozen,
            };
            dialled(world)
        }
        E::NoCallerNumber => dialled_by(
            axb(),
            &Dial {
                from: "anonymous",
                ..Dial::default()
            },
        ),
        E::NoRoute => {
            let mut world = axb();
            world.trunks[1].peers = vec!["[2001:db8::1]:5060".parse().unwrap()];
            dialled(world)
        }
        E::NoPorts => {
            let mut world = axb();
            world.ports = false;
            dialled(world)
        }
        E::NoCodec => {
            let policy = Policy {
                record: true,
                ..Policy::default()
            };
            let mut world = axb_of(policy, CallDirection::Both);
            world.app.recording = true;
            dialled_by(
                world,
                &Dial {
                    sdp: G729,
                    ..Dial::default()
                },
            )
        }
        E::NoTemporaryCallee => dialled(ax(|_| {})),
        E::NoAxBinding => dialled(World::of_mode(RouteKind::Ax)),
        E::TurnedOff => dialled_by(ax(|ax| ax.turned_off = true), &by_stranger()),
        E::PartyBusy => dialled_again(ax(|_| {}), &by_stranger()),
        E::Barred(bar) => barred(bar),
        E::NoCallback => dialled(axe()),
        E::BadExtension | E::EmptyExtension | E::CallerGaveUpBeforeForwarding => {
            dialled_by(axe(), &by_stranger())
        }
        E::CollectFailed => dialled_by(
            axe(),
            &Dial {
                sdp: G729,
                ..by_stranger()
            },
        ),
        E::NoAxybBinding => dialled(World::of_mode(RouteKind::Axyb)),
        E::SelfCall => dialled(axyb()),
        E::NoFreeY => {
            let mut bench = dialled_by(axyb(), &by_stranger());
            bench.told(Answer::NoneFree);
            bench
        }
        E::ClosedByCustomer => asked(Answer::Close {
            prompt: None,
            user_data: None,
        }),
        E::BadAnswer => asked(Answer::Invalid),
        E::PromptMissing => {
            let mut to = ConnectTo::new(number(B));
            to.wait_voice = Some(Arc::from("none.wav"));
            asked(Answer::Connect(Box::new(to)))
        }
        E::CustomerSilent => dialled(World::of_mode(RouteKind::X)),
        // Made by the store, of a call that a killed process has left behind (its `recovery`).
        E::Interrupted => return None,
    };
    match ending {
        E::CallerHungUp => bench.caller_says("BYE", 2, &plain, ""),
        E::CalleeHungUp => bench.callee_hangs_up(),
        E::StoppedByApplication => bench.stop(StoppedBy::Application),
        E::StoppedByOperator => bench.stop(StoppedBy::Operator),
        E::StoppedBeforeAnswer => {
            bench.callee_says(180);
            bench.stop(StoppedBy::Application);
        }
        E::MaxDuration => bench.wait(61 * SECOND),
        E::CallerGaveUp => {
            bench.callee_says(100);
            bench.caller_says("CANCEL", 1, &plain, "");
        }
        E::CallerGaveUpRinging => {
            bench.callee_says(180);
            bench.caller_says("CANCEL", 1, &plain, "");
        }
        E::AnswerTimeout => {
            bench.callee_says(180);
            bench.wait(91 * SECOND);
        }
        E::CalleeFailed { status, .. } => {
            bench.callee_says(180);
            bench.callee_says(status);
        }
        E::CalleeUnreachable => bench.wait(33 * SECOND),
        E::CallerMediaLost => bench.no_media(Side::A),
        E::CalleeMediaLost => bench.no_media(Side::B),
        E::CallerLost => {
            bench.callee_says(180);
            bench.callee_says(200);
            bench.wait(33 * SECOND);
        }
        // Both are asked for a sign of life; only the caller gives one.
        E::CalleeLost => {
            bench.wait(301 * SECOND);
            let probe = bench.to_caller("OPTIONS ").unwrap().to_owned();
            bench.answer_as_caller(&probe, 200);
            bench.wait(33 * SECOND);
        }
        E::CallerGaveUpBeforeForwarding => {
            bench.caller_says("ACK", 1, &by_stranger(), "");
            bench.caller_says("BYE", 2, &by_stranger(), "");
        }
        E::BadExtension => {
            bench.caller_says("ACK", 1, &by_stranger(), "");
            bench.keys(&by_stranger(), "9911");
        }
        E::EmptyExtension => {
            bench.caller_says("ACK", 1, &by_stranger(), "");
            bench.prompts_end();
            bench.wait(11 * SECOND);
        }
        E::CustomerSilent => bench.wait(4 * SECOND),
        _ => {}
    }
    // What the caller is to hear before the end; what the media side owes at most, and requests that go unanswered.
    bench.prompts_end();
    bench.wait(130 * SECOND);
    Some(bench)
}

/// A menu answers the caller before anybody is called.
fn answered_by_menu(ending: Ending) -> bool {
    matches!(
        ending,
        Ending::BadExtension | Ending::EmptyExtension | Ending::CallerGaveUpBeforeForwarding
    )
}

#[test]
fn every_ending_is_told_by_its_row() {
    let mut brought_about = 0;
    for ending in Ending::every() {
        let Some(bench) = run(ending) else { continue };
        brought_about += 1;
        let row = ending.outcome();
        let told = bench.facts.iter().find_map(|f| match &f.kind {
            FactKind::Disconnect {
                state_code,
                state_desc,
                released_by,
                ..
            } => Some((*state_code, state_desc.as_str(), *released_by)),
            _ => None,
        });
        assert_eq!(
            told,
            Some((row.state_code, row.state_desc, row.released_by)),
            "{ending:?}"
        );
        let record = bench.record();
        assert_eq!(record.state_code, row.state_code, "{ending:?}");
        assert_eq!(record.ul_fail_reason, row.ul_fail_reason, "{ending:?}");
        assert_eq!(record.released_by, row.released_by, "{ending:?}");
        let unanswered = ending.unanswered();
        let (q850, status) = match (record.fwd_start_ms, record.fwd_answer_ms) {
            (Some(_), None) => (unanswered.q850, unanswered.sip_status),
            _ => (0, 0),
        };
        assert_eq!(record.fwd_unasw_rsn, q850, "{ending:?}");
        assert_eq!(record.sip_status_code, status, "{ending:?}");
        let answered = record.fwd_answer_ms.is_some() || answered_by_menu(ending);
        the_caller_is_told(&bench, ending, answered);
        assert!(bench.at_rest(), "{ending:?} leaves something behind");
    }
    assert_eq!(brought_about, Ending::every().count() - 1);
}

/// An unanswered caller gets the status of the row, an answered one a BYE; both with the cause.
fn the_caller_is_told(bench: &Bench, ending: Ending, answered: bool) {
    let row = ending.outcome();
    let cause = format!("Reason: Q.850;cause={}", row.q850);
    if !answered {
        let last = bench.last_response();
        let status = format!("SIP/2.0 {} ", row.sip_status);
        assert!(last.starts_with(&status), "{ending:?}: {last}");
        assert!(last.contains(&cause), "{ending:?}: {last}");
        return;
    }
    let hangs_up = matches!(
        ending,
        Ending::CallerHungUp | Ending::CallerGaveUpBeforeForwarding
    );
    match bench.to_caller("BYE ") {
        Some(bye) => assert!(bye.contains(&cause) && !hangs_up, "{ending:?}: {bye}"),
        None => assert!(hangs_up, "{ending:?}: no BYE"),
    }
}
