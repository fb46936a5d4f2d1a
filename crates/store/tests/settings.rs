//! Applications, numbers, trunks, prompt files; and the file that they lie in.

mod common;

use axbridge_binding::{AppId, TrunkId};
use axbridge_call::Trunk;
use axbridge_store::{
    AppSettings, AppStatus, Mode, NewApp, NewNumber, NumberFilter, PromptState, Secret, Store,
    StoreConfig, StoreError,
};
use common::{Dir, Fixture, private};

fn trunk(id: u16, name: &str) -> Trunk {
    serde_json::from_value(
        serde_json::json!({ "id": id, "name": name, "peers": ["192.0.2.1:5060"] }),
    )
    .expect("trunk")
}

#[tokio::test]
async fn an_application_comes_back_as_it_was_given() {
    let f = Fixture::new().await;
    let settings = AppSettings {
        recording: true,
        ip_allow_list: vec!["192.0.2.0/24".into()],
        ..AppSettings::default()
    };
    let new = NewApp {
        key: "demoKey01".into(),
        secret: Secret::new("s3cret"),
        sp_id: "acme".into(),
        mode: Mode::Axb,
        settings: settings.clone(),
    };
    let mut app = f.store.create_app(new.clone()).await.expect("create");
    assert_eq!(
        f.store.create_app(new).await.expect_err("twice"),
        StoreError::AlreadyExists("the app key")
    );
    app.status = AppStatus::Suspended;
    app.secret = Secret::new("other");
    f.clock.advance_ms(5);
    let updated = f.store.update_app(app.clone()).await.expect("update");
    let f = f.reopen().await;
    let read = f.store.app(app.id).await.expect("read").expect("there");
    assert_eq!(read, updated);
    assert_eq!(read.secret.reveal(), "other");
    assert_eq!(read.settings, settings);
    assert!(
        !format!("{read:?}").contains("other"),
        "Debug shows the secret"
    );
    assert!(
        !serde_json::to_string(&read)
            .expect("json")
            .contains("other"),
        "JSON shows the secret"
    );
    f.store.delete_app(app.id).await.expect("delete");
    assert_eq!(f.store.app(app.id).await.expect("read"), None);
}

#[tokio::test]
async fn what_is_referred_to_stays() {
    let f = Fixture::new().await;
    let app = f.app("k", AppSettings::default()).await;
    f.store.put_trunk(trunk(1, "one")).await.expect("trunk");
    f.x(app, private(1), None).await;
    assert_eq!(
        f.store.delete_app(app).await.expect_err("number"),
        StoreError::InUse("the application")
    );
    assert_eq!(
        f.store.delete_trunk(TrunkId(1)).await.expect_err("number"),
        StoreError::InUse("the trunk")
    );
    let again = f.store.put_trunk(trunk(2, "one")).await;
    assert_eq!(
        again.expect_err("name"),
        StoreError::AlreadyExists("the trunk name")
    );
    f.store.remove_number(private(1)).await.expect("number");
    f.store.delete_app(app).await.expect("app");
    f.store.delete_trunk(TrunkId(1)).await.expect("trunk");
}

#[tokio::test]
async fn numbers_are_added_all_or_none() {
    let f = Fixture::new().await;
    let app = f.app("k", AppSettings::default()).await;
    f.x(app, private(2), Some("010")).await;
    let new = |n| NewNumber {
        x: private(n),
        area: None,
        province: None,
        trunk: TrunkId(1),
    };
    let added = f.store.add_numbers(app, vec![new(1), new(2), new(3)]).await;
    assert_eq!(
        added.expect_err("2 exists"),
        StoreError::AlreadyExists("a number")
    );
    let all = f
        .store
        .numbers(NumberFilter::default(), 1, 10)
        .await
        .expect("list");
    assert_eq!((all.total, all.items[0].x), (1, private(2)));
    assert_eq!(
        f.table.number(private(1)),
        None,
        "nothing of a refused write is shown"
    );
    let none = f.store.add_numbers(AppId(99), vec![new(9)]).await;
    assert_eq!(
        none.expect_err("no app"),
        StoreError::NotFound("the application")
    );
    let by_area = NumberFilter {
        app: Some(app),
        area: Some("0755".into()),
    };
    assert_eq!(
        f.store.numbers(by_area, 1, 10).await.expect("list").total,
        0
    );
}

#[tokio::test]
async fn only_passed_prompt_files_are_in_the_configuration_and_each_change_is_told() {
    let f = Fixture::new().await;
    let app = f.app("k", AppSettings::default()).await;
    let mut changes = f.store.changes();
    changes.mark_unchanged();
    let name = || "hello.wav".to_owned();
    let first = f
        .store
        .put_prompt(app, name(), vec![1; 100], PromptState::ToReview)
        .await
        .expect("put");
    assert!(changes.has_changed().expect("open"));
    changes.mark_unchanged();
    assert!(
        f.store
            .configuration()
            .await
            .expect("read")
            .prompts
            .is_empty()
    );
    f.store
        .review_prompt(app, name(), PromptState::Passed, None)
        .await
        .expect("pass");
    assert!(changes.has_changed().expect("open"));
    let passed = f.store.configuration().await.expect("read").prompts;
    assert_eq!(
        (passed.len(), passed[0].version),
        (1, first.version),
        "the audio is the same"
    );
    f.store.delete_prompt(app, name()).await.expect("delete");
    let second = f
        .store
        .put_prompt(app, name(), vec![2; 100], PromptState::Passed)
        .await
        .expect("again");
    assert!(
        second.version > first.version,
        "never the same version for other audio"
    );
    assert_eq!(
        f.store.prompt_wav(app, name()).await.expect("read"),
        Some(vec![2; 100])
    );
    let large = f
        .store
        .put_prompt(app, name(), vec![0; (2 << 20) + 1], PromptState::Passed)
        .await;
    assert!(matches!(large, Err(StoreError::Invalid(_))));
    changes.mark_unchanged();
    f.store
        .review_prompt(app, "none.wav".into(), PromptState::Passed, None)
        .await
        .expect_err("unknown");
    assert!(
        !changes.has_changed().expect("open"),
        "a refused change is no change"
    );
}

#[tokio::test]
async fn a_folder_belongs_to_one_store_at_a_time() {
    let dir = Dir::new();
    let store = Store::open(StoreConfig::new(&dir.0)).expect("open");
    let second = Store::open(StoreConfig::new(&dir.0)).map(|_| ());
    assert_eq!(
        second.expect_err("locked"),
        StoreError::InUse("the data folder")
    );
    store.close();
    drop(store);
    Store::open(StoreConfig::new(&dir.0))
        .expect("free again")
        .close();
}

#[tokio::test]
async fn a_closed_store_refuses_and_a_full_queue_is_answered_at_once() {
    let f = Fixture::with(|c| c.write_queue = 4).await;
    let app = f.app("k", AppSettings::default()).await;
    f.x(app, private(1), None).await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..200 {
        let store = f.store.clone();
        let request = common::request(
            app,
            common::person(2 * n),
            common::person(2 * n + 1),
            Some(private(1)),
        );
        tasks.spawn(async move { store.bind(request).await.err() });
    }
    let errors: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    assert!(
        errors
            .iter()
            .all(|e| *e == StoreError::Overloaded(4).into()),
        "{errors:?}"
    );
    assert!(!errors.is_empty(), "200 at once fit a queue of 4?");
    f.store.close();
    let refused = f
        .store
        .audit("operator".into(), "test".into(), "nothing".into())
        .await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))));
}

#[tokio::test]
async fn a_database_that_another_holds_is_not_writable() {
    let f = Fixture::new().await;
    f.store.writable().await.expect("free");
    let other = rusqlite::Connection::open(f.dir.0.join("axbridge.db")).expect("open");
    other.execute_batch("BEGIN IMMEDIATE").expect("held");
    // What was found a moment ago holds for a second.
    tokio::time::sleep(std::time::Duration::from_millis(1_050)).await;
    let refused = f.store.writable().await.expect_err("held");
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
    other.execute_batch("ROLLBACK").expect("let go");
    tokio::time::sleep(std::time::Duration::from_millis(1_050)).await;
    f.store.writable().await.expect("free again");
}
