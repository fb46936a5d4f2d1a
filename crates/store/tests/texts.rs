//! Texts: kept before they are answered for, told of when they are over, forgotten in between only when they must be.

mod common;

use axbridge_binding::{AppId, TrunkId};
use axbridge_call::{FactKind, TextReport};
use axbridge_numbering::Number;
use axbridge_sms::coding::Coding;
use axbridge_sms::join::{JoinLimits, Part, join};
use axbridge_sms::receipt::{PartState, Receipt};
use axbridge_sms::route::{Account, Step, Ticket};
use axbridge_sms::{SendResult, Text};
use axbridge_store::{
    AppSettings, AppStatus, DueState, LongText, NewText, NumberChange, OutboxKind, PartKept,
    SentPart, SmsSettings, TextFilter, TextState,
};
use common::{Fixture, person, private};

fn settings() -> AppSettings {
    AppSettings {
        sms: SmsSettings {
            enabled: true,
            notify_url: Some("http://127.0.0.1:1/sms".into()),
            control_url: None,
            content: true,
        },
        ..AppSettings::default()
    }
}

async fn bed() -> (Fixture, AppId) {
    let bed = Fixture::new().await;
    let app = bed.app("k", settings()).await;
    bed.x(app, private(1), None).await;
    bed.x(app, private(2), None).await;
    (bed, app)
}

fn text(text: &str) -> Text {
    Text::new(text).expect("text")
}

fn ticket(app: AppId) -> Ticket {
    Ticket {
        app,
        x: private(1),
        sender: person(1),
        trunk: TrunkId(1),
        direction: 1,
        subscription: Some("c0ffee".into()),
        user_data: Some("order".into()),
    }
}

fn forward(to: Number) -> Step {
    Step::Forward {
        receiver: to,
        text: text("what is read"),
    }
}

fn new(app: AppId, id: &str, step: Step) -> NewText {
    NewText {
        id: id.into(),
        origin: Some(format!("origin of {id}")),
        ticket: ticket(app),
        written: Some(text("what was written")),
        step,
        joined: None,
    }
}

fn part(number: u8, octets: &[u8]) -> Part {
    Part {
        number,
        coding: Coding::Gsm7,
        octets: octets.to_vec(),
    }
}

fn sent(number: u8, remote: &str) -> SentPart {
    SentPart {
        number,
        remote: Some(remote.into()),
        state: PartState::Pending,
    }
}

fn receipt(id: &str, state: PartState) -> Receipt {
    Receipt {
        id: id.into(),
        state,
    }
}

/// The one notification that is due; it counts as delivered then.
async fn told(bed: &Fixture) -> Option<TextReport> {
    let mut due = bed.store.outbox_due(1).await.expect("due");
    let due = due.pop()?;
    assert_eq!(due.kind, OutboxKind::Text);
    assert_eq!(due.items.len(), 1);
    let fact = due.items[0].fact.clone();
    let ids = due.items.iter().map(|item| item.id).collect();
    bed.store.outbox_delivered(ids).await.expect("noted");
    assert_eq!(&*fact.app_key, "k");
    match fact.kind {
        FactKind::Text(report) => Some(*report),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn to_whom_a_number_belongs() {
    let (bed, app) = bed().await;
    let owner = async |bed: &Fixture| {
        bed.store
            .text_owner(private(1))
            .await
            .expect("read")
            .expect("owner")
    };
    assert_eq!(
        (owner(&bed).await.app, owner(&bed).await.account),
        (app, Account::Active)
    );
    assert!(owner(&bed).await.texts);
    let off = NumberChange {
        texts: Some(false),
        ..NumberChange::default()
    };
    let record = bed
        .store
        .update_number(private(1), off)
        .await
        .expect("changed");
    assert!(!record.texts && !owner(&bed).await.texts);
    let mut record = bed.store.app(app).await.expect("read").expect("app");
    record.status = AppStatus::Frozen;
    bed.store.update_app(record).await.expect("changed");
    assert_eq!(owner(&bed).await.account, Account::Frozen);
    let unknown = bed.store.text_owner(private(77)).await.expect("read");
    assert_eq!(unknown, None);
}

#[tokio::test]
async fn a_text_is_kept_through_the_end_of_the_process_and_told_of_once() {
    let (bed, app) = bed().await;
    let accepted = bed
        .store
        .text_accept(new(app, "m1", forward(person(2))))
        .await;
    assert!(accepted.expect("kept"));
    let again = NewText {
        id: "m2".into(),
        ..new(app, "m1", forward(person(2)))
    };
    assert!(!bed.store.text_accept(again).await.expect("known"));
    let bed = bed.reopen().await;
    let due = bed.store.texts_due(10).await.expect("due");
    assert_eq!(due.len(), 1);
    assert_eq!((due[0].id.as_str(), &due[0].ticket), ("m1", &ticket(app)));
    assert_eq!(due[0].written, text("what was written"));
    let wanted = DueState::Send {
        receiver: person(2),
        text: text("what is read"),
        sent: Vec::new(),
    };
    assert_eq!(due[0].state, wanted);
    bed.store
        .text_over("m1".into(), SendResult::Sent, 1)
        .await
        .expect("over");
    bed.store
        .text_over("m1".into(), SendResult::Internal, 9)
        .await
        .expect("over already");
    let report = told(&bed).await.expect("told");
    assert_eq!((report.result, report.parts, report.direction), (0, 1, 1));
    assert_eq!(report.called.as_deref(), Some(&*person(2).to_global()));
    assert_eq!(report.calling, person(1).to_global());
    assert_eq!(report.content.as_deref(), Some("what was written"));
    assert_eq!(told(&bed).await, None);
    assert!(bed.store.texts_due(10).await.expect("due").is_empty());
    let listed = bed
        .store
        .texts(TextFilter::default(), 1, 10)
        .await
        .expect("list");
    assert_eq!(listed.total, 1);
    assert_eq!(
        (listed.items[0].state, listed.items[0].result),
        (TextState::Over, Some(SendResult::Sent))
    );
}

#[tokio::test]
async fn what_was_written_is_gone_from_the_file_when_it_is_over() {
    let (bed, app) = bed().await;
    bed.store
        .text_accept(new(app, "m1", forward(person(2))))
        .await
        .expect("kept");
    bed.store
        .text_over("m1".into(), SendResult::Discarded, 0)
        .await
        .expect("over");
    let conn = rusqlite::Connection::open(bed.dir.0.join("axbridge.db")).expect("open");
    let left: i64 = conn
        .query_row(
            "SELECT count(*) FROM texts WHERE written IS NOT NULL OR text IS NOT NULL",
            [],
            |r| r.get(0),
        )
        .expect("count");
    assert_eq!(left, 0);
    let report = told(&bed).await.expect("told");
    assert_eq!(
        (report.result, report.called),
        (6, None),
        "nobody was sent it"
    );
}

#[tokio::test]
async fn a_question_is_asked_again_after_a_restart_and_answered_once() {
    let (bed, app) = bed().await;
    bed.store
        .text_accept(new(app, "m1", Step::Ask))
        .await
        .expect("kept");
    let bed = bed.reopen().await;
    let due = bed.store.texts_due(10).await.expect("due");
    assert_eq!(due[0].state, DueState::Ask);
    let mut answered = ticket(app);
    answered.user_data = Some("answer".into());
    bed.store
        .text_answered("m1".into(), answered.clone(), forward(person(3)))
        .await
        .expect("noted");
    // A second answer, of a process that asked twice.
    bed.store
        .text_answered("m1".into(), ticket(app), Step::End(SendResult::NoAnswer))
        .await
        .expect("forgotten");
    let due = bed.store.texts_due(10).await.expect("due");
    assert_eq!(due[0].ticket, answered);
    assert!(matches!(due[0].state, DueState::Send { receiver, .. } if receiver == person(3)));
}

#[tokio::test]
async fn a_text_that_ends_at_once_is_told_of_at_once() {
    let (bed, app) = bed().await;
    let ends = new(app, "m1", Step::End(SendResult::NoBinding));
    bed.store.text_accept(ends).await.expect("kept");
    assert_eq!(told(&bed).await.expect("told").result, 2);
    assert!(bed.store.texts_due(10).await.expect("due").is_empty());
}

#[tokio::test]
async fn without_a_receiver_nothing_is_queued_and_without_leave_nothing_is_shown() {
    let (bed, app) = bed().await;
    let mut record = bed.store.app(app).await.expect("read").expect("app");
    record.settings.sms.content = false;
    bed.store.update_app(record.clone()).await.expect("changed");
    bed.store
        .text_accept(new(app, "m1", Step::End(SendResult::NoBinding)))
        .await
        .expect("kept");
    assert_eq!(told(&bed).await.expect("told").content, None);
    record.settings.sms.notify_url = None;
    bed.store.update_app(record).await.expect("changed");
    bed.store
        .text_accept(new(app, "m2", Step::End(SendResult::NoBinding)))
        .await
        .expect("kept");
    assert_eq!(told(&bed).await, None);
}

#[tokio::test]
async fn tries_come_when_they_are_due_and_know_what_is_sent() {
    let (bed, app) = bed().await;
    bed.store
        .text_accept(new(app, "m1", forward(person(2))))
        .await
        .expect("kept");
    bed.store
        .text_parts_sent("m1".into(), "smsc".into(), vec![sent(2, "r2")])
        .await
        .expect("noted");
    let next = bed.clock.now() + 5_000;
    bed.store
        .text_later("m1".into(), next)
        .await
        .expect("noted");
    assert!(bed.store.texts_due(10).await.expect("due").is_empty());
    assert_eq!(bed.store.texts_next_ms().await.expect("next"), Some(next));
    bed.clock.advance_ms(5_000);
    let due = bed.store.texts_due(10).await.expect("due");
    assert_eq!(due[0].attempts, 1);
    assert!(matches!(&due[0].state, DueState::Send { sent, .. } if *sent == [2]));
}

#[tokio::test]
async fn receipts_end_a_text_whenever_they_come() {
    use PartState::{Delivered, Failed, Pending};
    // (receipt before the submission was noted, receipt after it, result)
    let cases = [
        (Delivered, Delivered, SendResult::Sent),
        (Failed, Delivered, SendResult::PartlySent),
        (Failed, Failed, SendResult::NothingSent),
    ];
    for (early, late, result) in cases {
        let (bed, app) = bed().await;
        let store = &bed.store;
        store
            .text_accept(new(app, "m1", forward(person(2))))
            .await
            .expect("kept");
        store
            .text_receipt("smsc".into(), receipt("r1", early))
            .await
            .expect("kept");
        let parts = vec![sent(1, "r1"), sent(2, "r2")];
        store
            .text_parts_sent("m1".into(), "smsc".into(), parts)
            .await
            .expect("noted");
        let until = bed.clock.now() + 60_000;
        store
            .text_waits("m1".into(), 2, until)
            .await
            .expect("waits");
        store
            .text_receipt("smsc".into(), receipt("r2", Pending))
            .await
            .expect("on its way");
        store
            .text_receipt("other".into(), receipt("r2", late))
            .await
            .expect("of another link");
        assert_eq!(told(&bed).await, None);
        store
            .text_receipt("smsc".into(), receipt("r2", late))
            .await
            .expect("noted");
        let report = told(&bed).await.expect("told");
        assert_eq!((report.result, report.parts), (u8::from(result), 2));
    }
}

#[tokio::test]
async fn without_receipts_what_was_taken_counts_as_sent() {
    let (bed, app) = bed().await;
    let store = &bed.store;
    store
        .text_accept(new(app, "m1", forward(person(2))))
        .await
        .expect("kept");
    let parts = vec![sent(1, "r1"), sent(2, "r2")];
    store
        .text_parts_sent("m1".into(), "smsc".into(), parts)
        .await
        .expect("noted");
    store
        .text_waits("m1".into(), 2, bed.clock.now() + 60_000)
        .await
        .expect("waits");
    store
        .text_receipt("smsc".into(), receipt("r2", PartState::Failed))
        .await
        .expect("noted");
    assert!(store.texts_due(10).await.expect("due").is_empty());
    bed.clock.advance_ms(60_000);
    let due = store.texts_due(10).await.expect("due");
    assert_eq!(due[0].state, DueState::Unreported);
    store.text_unreported("m1".into()).await.expect("noted");
    assert_eq!(told(&bed).await.expect("told").result, 9);
}

fn long(reference: u16, total: u8) -> LongText {
    LongText {
        link: "smsc".into(),
        sender: person(1),
        x: private(1),
        reference,
        total,
    }
}

#[tokio::test]
async fn parts_are_kept_one_by_one_until_the_text_is() {
    let (bed, app) = bed().await;
    let limits = JoinLimits::default();
    let first = bed.store.text_part(long(7, 2), part(2, b"b"), limits).await;
    assert_eq!(first.expect("kept"), PartKept::Waiting);
    let again = bed.store.text_part(long(7, 2), part(2, b"b"), limits).await;
    assert_eq!(again.expect("kept"), PartKept::Waiting);
    let other = bed.store.text_part(long(8, 2), part(1, b"x"), limits).await;
    assert_eq!(other.expect("kept"), PartKept::Waiting);
    let bed = bed.reopen().await;
    let whole = bed
        .store
        .text_part(long(7, 2), part(1, b"a"), limits)
        .await
        .expect("kept");
    let PartKept::Whole(parts) = whole else {
        panic!("{whole:?}")
    };
    let joined = join(2, &parts).expect("complete").expect("readable");
    assert_eq!(joined.reveal(), "ab");
    // Should the process end here, the last part comes again.
    let again = bed
        .store
        .text_part(long(7, 2), part(1, b"a"), limits)
        .await
        .expect("kept");
    assert!(matches!(again, PartKept::Whole(_)));
    let accepted = NewText {
        joined: Some(long(7, 2)),
        ..new(app, "m1", forward(person(2)))
    };
    bed.store.text_accept(accepted).await.expect("kept");
    let next = bed.store.text_part(long(7, 2), part(1, b"a"), limits).await;
    assert_eq!(
        next.expect("kept"),
        PartKept::Waiting,
        "another text with the same reference"
    );
}

#[tokio::test]
async fn what_waits_is_bounded_and_ends() {
    let (bed, _) = bed().await;
    let limits = JoinLimits {
        texts_per_sender_max: 2,
        ..JoinLimits::default()
    };
    for reference in 0..2 {
        let kept = bed
            .store
            .text_part(long(reference, 2), part(1, b"a"), limits)
            .await;
        assert_eq!(kept.expect("kept"), PartKept::Waiting);
    }
    let full = bed.store.text_part(long(2, 2), part(1, b"a"), limits).await;
    assert_eq!(full.expect("answered"), PartKept::Full);
    let whole = bed.store.text_part(long(0, 2), part(2, b"b"), limits).await;
    assert!(
        matches!(whole.expect("kept"), PartKept::Whole(_)),
        "what has begun may end"
    );
    let of_all = JoinLimits {
        texts_max: 3,
        ..JoinLimits::default()
    };
    let full = bed
        .store
        .text_part(
            LongText {
                sender: person(5),
                ..long(2, 2)
            },
            part(1, b"a"),
            of_all,
        )
        .await;
    assert_eq!(full.expect("answered"), PartKept::Full);
    bed.store.sweep().expect("sweep");
    assert_eq!(told(&bed).await, None);
    bed.clock.advance_ms(600_001);
    bed.store.sweep().expect("sweep");
    let report = told(&bed).await.expect("told");
    assert_eq!((report.result, report.content), (10, None));
    assert!(told(&bed).await.is_some() && told(&bed).await.is_none());
    let room = bed.store.text_part(long(2, 2), part(1, b"a"), limits).await;
    assert_eq!(room.expect("kept"), PartKept::Waiting);
}

#[tokio::test]
async fn old_texts_are_forgotten_and_those_under_way_are_not() {
    let (bed, app) = bed().await;
    bed.store
        .text_accept(new(app, "m1", Step::End(SendResult::NoBinding)))
        .await
        .expect("kept");
    bed.store
        .text_accept(new(app, "m2", forward(person(2))))
        .await
        .expect("kept");
    bed.store
        .text_receipt("smsc".into(), receipt("stray", PartState::Failed))
        .await
        .expect("kept");
    bed.clock.advance_ms(32 * common::DAY_MS);
    bed.store.sweep().expect("sweep");
    let left = bed
        .store
        .texts(TextFilter::default(), 1, 10)
        .await
        .expect("list");
    assert_eq!(
        left.items.iter().map(|t| t.id.as_str()).collect::<Vec<_>>(),
        ["m2"]
    );
    let other = TextFilter {
        x: Some(private(2)),
        app: Some(app),
    };
    assert_eq!(bed.store.texts(other, 1, 10).await.expect("list").total, 0);
}
