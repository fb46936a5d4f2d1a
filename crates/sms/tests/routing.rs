//! The ways of a text through X, mode by mode.

use std::sync::Arc;

use axbridge_binding::{
    AppId, Ax, Axb, CallDirection, NumberInfo, NumberStatus, Policy, RouteKind, SubscriptionId,
    Table, Temporary, TrunkId,
};
use axbridge_numbering::{Number, NumberRules};
use axbridge_sms::route::{
    Account, BlockAnswer, Conditions, Incoming, Step, Ticket, UnknownNumber, answered, route,
};
use axbridge_sms::{SendResult, Text};

fn number(last: u64) -> Number {
    Number::from_u64(8_613_900_000_000 + last).expect("number")
}

fn x() -> Number {
    Number::from_u64(8_617_000_000_001).expect("number")
}

fn text(text: &str) -> Text {
    Text::new(text).expect("text")
}

fn table(mode: RouteKind) -> Table {
    let table = Table::with_seed(8, 1);
    table.set_number(x(), info(mode, NumberStatus::Normal));
    table
}

fn info(mode: RouteKind, status: NumberStatus) -> NumberInfo {
    NumberInfo {
        app: AppId(3),
        mode,
        status,
        trunk: TrunkId(4),
        area: None,
    }
}

fn axb(private_sms: bool) -> Table {
    let table = table(RouteKind::Axb);
    let binding = Axb {
        subscription: SubscriptionId(9),
        app: AppId(3),
        x: x(),
        a: number(1),
        b: number(2),
        direction: CallDirection::CallerOnly,
        expires_at_ms: None,
        policy: Policy {
            private_sms,
            ..Policy::default()
        },
        user_data: Some("order42".into()),
    };
    table.publish_axb(&binding).expect("published");
    table
}

fn ax(temporary: Option<Temporary>) -> Table {
    let table = table(RouteKind::Ax);
    let binding = Ax {
        subscription: SubscriptionId(9),
        app: AppId(3),
        x: x(),
        a: number(1),
        direction: CallDirection::Both,
        show_caller: false,
        turned_off: false,
        temporary,
        last_caller: None,
        policy: Policy::default(),
        user_data: None,
    };
    table.publish_ax(&binding).expect("published");
    table
}

fn sent(table: &Table, sender: Number, written: &str) -> (Ticket, Step) {
    sent_under(table, sender, written, Account::Active, true)
}

fn sent_under(
    table: &Table,
    sender: Number,
    written: &str,
    account: Account,
    texts: bool,
) -> (Ticket, Step) {
    let rules = NumberRules::default();
    let conditions = Conditions {
        account,
        texts,
        numbers: &rules,
    };
    let text = text(written);
    let incoming = Incoming {
        x: x(),
        sender,
        text: &text,
        wall_ms: 5,
    };
    route(table, incoming, conditions).expect("known number")
}

fn to(last: u64, written: &str) -> Step {
    Step::Forward {
        receiver: number(last),
        text: text(written),
    }
}

#[test]
fn axb_forwards_both_ways_as_written() {
    let table = axb(true);
    let (ticket, step) = sent(&table, number(1), "hi@13900000009");
    assert_eq!(step, to(2, "hi@13900000009"));
    assert_eq!((ticket.direction, ticket.trunk), (1, TrunkId(4)));
    assert_eq!(ticket.user_data.as_deref(), Some("order42"));
    assert_eq!(
        ticket.subscription.as_deref(),
        Some(&*SubscriptionId(9).to_string())
    );
    let (ticket, step) = sent(&table, number(2), "hi");
    assert_eq!((step, ticket.direction), (to(1, "hi"), 0));
    let (ticket, step) = sent(&table, number(3), "hi");
    assert_eq!(step, Step::End(SendResult::NoBinding));
    assert_eq!((ticket.direction, ticket.subscription), (2, None));
}

#[test]
fn what_is_switched_off_ends_with_its_own_result() {
    let table = axb(true);
    let cases = [
        (Account::Frozen, true, SendResult::AccountFrozen),
        (
            Account::Suspended,
            false,
            SendResult::ApplicationUnavailable,
        ),
        (Account::Active, false, SendResult::NoTexts),
    ];
    for (account, texts, result) in cases {
        let (ticket, step) = sent_under(&table, number(1), "hi", account, texts);
        assert_eq!((step, ticket.direction), (Step::End(result), 1));
        // Whether somebody is bound is not told for an account that is closed.
        let (_, step) = sent_under(&table, number(3), "hi", account, texts);
        assert_eq!(step, Step::End(result));
    }
    let (_, step) = sent(&axb(false), number(1), "hi");
    assert_eq!(step, Step::End(SendResult::NoTexts));
    table.set_number(x(), info(RouteKind::Axb, NumberStatus::Suspended));
    let (_, step) = sent(&table, number(1), "hi");
    assert_eq!(step, Step::End(SendResult::NumberSuspended));
    let (_, step) = sent(&self::table(RouteKind::Axe), number(1), "hi");
    assert_eq!(step, Step::End(SendResult::NoTexts));
}

#[test]
fn ax_shows_a_who_wrote() {
    let (ticket, step) = sent(&ax(None), number(7), "hi");
    assert_eq!(step, to(1, "hi[From13900000007]"));
    assert_eq!(ticket.direction, 0);
}

#[test]
fn a_of_ax_writes_to_the_number_at_the_end() {
    let table = ax(None);
    let (ticket, step) = sent(&table, number(1), "on my way@13900000007");
    assert_eq!((step, ticket.direction), (to(7, "on my way"), 1));
    for asked in ["on my way", "on my way@1390000", "@13900000007"] {
        let (_, step) = sent(&table, number(1), asked);
        match asked {
            // A number, but not one of a mobile phone.
            "on my way@1390000" => assert_eq!(step, Step::End(SendResult::NothingSent)),
            _ => assert_eq!(step, Step::Ask, "{asked}"),
        }
    }
    let own = sent(&table, number(1), "to myself@13900000001").1;
    assert_eq!(own, Step::End(SendResult::NothingSent));
    let to_x = sent(&table, number(1), "round@17000000001").1;
    assert_eq!(to_x, Step::End(SendResult::NothingSent));
}

#[test]
fn the_customer_decides_in_x_mode_and_for_a_of_ax() {
    let table = table(RouteKind::X);
    let (mut ticket, step) = sent(&table, number(1), "hi");
    assert_eq!((step, ticket.direction), (Step::Ask, 1));
    let mut say = |answer| answered(&table, &mut ticket, &text("hi"), answer, 5);
    let forward = |receiver| BlockAnswer::Forward {
        receiver,
        user_data: Some(Arc::from("u")),
    };
    assert_eq!(say(forward(Some(number(2)))), to(2, "hi"));
    assert_eq!(say(forward(None)), Step::End(SendResult::NothingSent));
    assert_eq!(
        say(forward(Some(number(1)))),
        Step::End(SendResult::NothingSent)
    );
    assert_eq!(say(BlockAnswer::Discard), Step::End(SendResult::Discarded));
    assert_eq!(say(BlockAnswer::None), Step::End(SendResult::NoAnswer));
    assert_eq!(ticket.user_data.as_deref(), Some("u"));
}

#[test]
fn forward_without_a_receiver_means_the_temporary_callee() {
    let table = ax(Some(Temporary {
        callee: number(8),
        until_ms: 100,
        user_data: None,
    }));
    let (mut ticket, _) = sent(&table, number(1), "hi");
    let forward = BlockAnswer::Forward {
        receiver: None,
        user_data: None,
    };
    let step = answered(&table, &mut ticket, &text("hi"), forward.clone(), 99);
    assert_eq!(step, to(8, "hi"));
    let step = answered(&table, &mut ticket, &text("hi"), forward, 100);
    assert_eq!(step, Step::End(SendResult::NothingSent));
}

#[test]
fn landlines_neither_send_nor_receive() {
    let landline = Number::from_u64(8_675_500_000_001).expect("number");
    let (_, step) = sent(&ax(None), landline, "hi");
    assert_eq!(step, Step::End(SendResult::NothingSent));
    let (mut ticket, _) = sent(&table(RouteKind::X), number(1), "hi");
    let forward = BlockAnswer::Forward {
        receiver: Some(landline),
        user_data: None,
    };
    let step = answered(&table(RouteKind::X), &mut ticket, &text("hi"), forward, 5);
    assert_eq!(step, Step::End(SendResult::NothingSent));
}

#[test]
fn an_unknown_number_is_nobodys() {
    let rules = NumberRules::default();
    let text = text("hi");
    let incoming = Incoming {
        x: number(50),
        sender: number(1),
        text: &text,
        wall_ms: 5,
    };
    let conditions = Conditions {
        account: Account::Active,
        texts: true,
        numbers: &rules,
    };
    let refused = route(&axb(true), incoming, conditions);
    assert_eq!(refused, Err(UnknownNumber));
}

#[test]
fn a_ticket_survives_the_disk() {
    let (ticket, _) = sent(&axb(true), number(1), "hi");
    let json = serde_json::to_string(&ticket).expect("JSON");
    let back: Ticket = serde_json::from_str(&json).expect("read");
    assert_eq!(back, ticket);
}
