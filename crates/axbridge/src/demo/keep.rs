//! `--keep`: everything stays, for the reader to play with.

use axbridge_api::customer::AXB_PATH;
use tokio::sync::mpsc;

use super::folder::Folder;
use super::recording;
use super::stage::Stage;

/// Prints what can be tried, and places the call again for every line that comes; ends only by being dropped.
pub async fn run(stage: &Stage, folder: &Folder) {
    invite(stage, folder);
    let mut enter = lines();
    loop {
        match enter.recv().await {
            Some(()) => again(stage).await,
            // No more input: only a signal ends it.
            None => std::future::pending().await,
        }
    }
}

async fn again(stage: &Stage) {
    stage.scribe.heading("A calls X again");
    match stage.call().await {
        Ok((a, b)) => {
            let talked = |talk: &super::phone::Talk| {
                talk.ended
                    .saturating_duration_since(talk.answered)
                    .as_secs_f64()
            };
            stage.scribe.line(&format!(
                "over: A talked {:.1} s, B {:.1} s",
                talked(&a),
                talked(&b)
            ));
        }
        Err(error) => stage.scribe.line(&format!("no talk: {error:#}")),
    }
}

/// A thread, because reading standard input cannot be called off; it ends with the process.
fn lines() -> mpsc::Receiver<()> {
    let (tell, lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            if line.is_err() || tell.blocking_send(()).is_err() {
                return;
            }
        }
    });
    lines
}

fn invite(stage: &Stage, folder: &Folder) {
    let client = &stage.client;
    let program =
        std::env::current_exe().map_or("axbridge".to_owned(), |p| p.display().to_string());
    let signed = format!("{program} sign --key {} | curl -s -K -", client.key);
    let x = stage.scribe.numbers().x.digits();
    let axb = format!("http://{}{AXB_PATH}", client.api);
    let operator = format!(
        "curl -s -H 'Authorization: Bearer {}' http://{}/admin/v1",
        client.token, client.admin
    );
    let body = format!(
        r#"{{"callerNum":"+8613900000011","calleeNum":"+8613900000012","relationNum":"+{x}","duration":3600}}"#
    );
    let mut text = format!(
        "\nEverything keeps running, with its data in {}. Press Enter to place the call again, Ctrl-C to end.\n\
         In another terminal:\n\n  \
         export AXBRIDGE_SECRET={}\n\n  \
         # bind two other people on X; query X; unbind all of X (then press Enter: the call is refused)\n  \
         {signed} -d '{body}' {axb}\n  \
         {signed} '{axb}?relationNum=%2B{x}'\n  \
         {signed} -X DELETE '{axb}?relationNum=%2B{x}'\n\n  \
         # live calls (while one is on), call records\n  \
         {operator}/calls\n  \
         {operator}/records\n",
        folder.data().display(),
        client.secret,
    );
    if let Some(path) = stage
        .last_fee()
        .and_then(|fee| recording::request_path(&fee).ok())
    {
        text.push_str(&format!(
            "\n  # the recording\n  {signed} -L -o call.wav 'http://{}{path}'\n",
            client.api
        ));
    }
    stage.scribe.plain(&text);
}
