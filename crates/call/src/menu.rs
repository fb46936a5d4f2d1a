//! The menu of an AXE number: the caller keys an extension. Its digits come as telephone-events or tones in the audio
//! (told by the media session) or in INFO.

use std::time::Duration;

use axbridge_binding::Extension;
use axbridge_media::{Prompt, Side};
use axbridge_sip::ServerTx;
use std::sync::Arc;

use crate::call::{Call, Phase};
use crate::compose;
use crate::core::Ctx;
use crate::leg::State;
use crate::offer;
use crate::outcome::Ending;
use crate::plan::{self, Next};
use crate::sound::Purpose;
use crate::tones;
use crate::trace::Note;

/// Where a digit came from. Some phones send each digit both ways: the first way that brings one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Media,
    Info,
}

/// A caller at the menu.
pub(crate) struct Menu {
    tries_left: u8,
    keyed: String,
    source: Option<Source>,
}

impl Call {
    /// Lets the caller hear us and asks for the extension.
    pub fn enter_menu(&mut self, ctx: &mut Ctx<'_>) {
        if !self.open_media_for_menu(ctx) {
            return self.end(ctx, Ending::NoPorts);
        }
        self.phase = Phase::Menu(Menu {
            tries_left: self.arrived.app.menu.tries.max(1),
            keyed: String::new(),
            source: None,
        });
        // A caller without an offer can hear nothing before it is answered.
        if self.a.trunk.answer_for_menu || self.a.offered.is_none() {
            self.answer_for_menu(ctx);
        } else if !self.hear(ctx) {
            return self.end(ctx, Ending::CollectFailed);
        }
        if self.a.negotiated.is_some() {
            self.ask_extension(ctx, None);
        }
    }

    /// The ports of both legs at once: the callee's trunk is that of X.
    fn open_media_for_menu(&mut self, ctx: &mut Ctx<'_>) -> bool {
        let number = ctx.core.directory.table.number(self.arrived.x);
        let trunk = number.and_then(|n| {
            let snapshot = ctx.core.directory.snapshot();
            snapshot.trunks.get(&n.trunk).cloned()
        });
        let second = trunk.and_then(|t| ctx.core.hop_to(&t).map(|hop| (t, hop)));
        self.open_media(ctx, second.as_ref().map(|(t, hop)| (&**t, hop)))
    }

    /// Answers the caller before anybody is called.
    fn answer_for_menu(&mut self, ctx: &mut Ctx<'_>) {
        let State::Invited { tx, cseq } = self.a.state else {
            return;
        };
        let offers = self.a.offered.is_none();
        let body = match offers {
            true => offer::to_caller(&mut self.a, None),
            false => offer::answer_spoken(&mut self.a),
        };
        let Ok(body) = body else {
            return self.end(ctx, Ending::CollectFailed);
        };
        self.a.answer_in_ack = offers;
        self.accept_caller(ctx, tx, cseq, Some(body));
    }

    /// Sends a 200 to the caller's INVITE.
    pub fn accept_caller(
        &mut self,
        ctx: &mut Ctx<'_>,
        tx: ServerTx,
        cseq: u32,
        body: Option<bytes::Bytes>,
    ) {
        let mut response = self.a.response(200);
        if let Some(body) = body {
            response = response.body(compose::SDP, body);
        }
        if let Some(reliable) = &mut self.a.reliable {
            reliable.stop();
        }
        self.a.accept(ctx, tx, cseq, response);
        self.a.state = State::Up;
        self.connect_side(ctx, Side::A);
    }

    /// The caller of a menu has sent its session description in the ACK: it can hear now.
    pub fn menu_heard(&mut self, ctx: &mut Ctx<'_>) {
        if matches!(self.phase, Phase::Menu(_)) {
            self.ask_extension(ctx, None);
        }
    }

    /// Plays `prompt`, or the one that asks, and waits for digits. They may come while it plays.
    fn ask_extension(&mut self, ctx: &mut Ctx<'_>, prompt: Option<Arc<Prompt>>) {
        let rules = &self.arrived.app.menu;
        let prompt = prompt
            .or_else(|| rules.ask.clone())
            .unwrap_or_else(tones::ask);
        // The end of the prompt sets it anew; should that never be told, the caller is not kept for ever.
        let longest = Duration::from_millis(prompt.duration_ms() + rules.first_digit_ms);
        self.deadlines.digits = Some(ctx.now.mono + longest);
        self.sound.play(ctx, Side::A, prompt, Purpose::Menu);
    }

    /// The prompt of the menu is over: the first digit is waited for.
    pub fn menu_played(&mut self, ctx: &mut Ctx<'_>) {
        if let Phase::Menu(menu) = &self.phase
            && menu.keyed.is_empty()
        {
            let wait = Duration::from_millis(self.arrived.app.menu.first_digit_ms);
            self.deadlines.digits = Some(ctx.now.mono + wait);
        }
    }

    /// The caller has keyed something.
    pub fn keyed(&mut self, ctx: &mut Ctx<'_>, source: Source, digit: char) {
        let Phase::Menu(menu) = &mut self.phase else {
            return;
        };
        let awaited = self.deadlines.digits.is_some();
        if !awaited || *menu.source.get_or_insert(source) != source {
            return;
        }
        let rules = &self.arrived.app.menu;
        let mut wait_ms = rules.next_digit_ms;
        match digit {
            '0'..='9' => menu.keyed.push(digit),
            '#' => return self.extension_keyed(ctx),
            '*' => {
                // A caller who noticed a slip begins again.
                menu.keyed.clear();
                wait_ms = rules.first_digit_ms;
            }
            _ => return,
        }
        let complete = menu.keyed.len() >= usize::from(rules.digits.max(1));
        self.deadlines.digits = Some(ctx.now.mono + Duration::from_millis(wait_ms));
        self.sound.stop(ctx, Side::A);
        if complete {
            self.extension_keyed(ctx);
        }
    }

    /// Everything is keyed, or the caller has been silent for too long.
    pub fn extension_keyed(&mut self, ctx: &mut Ctx<'_>) {
        let Phase::Menu(menu) = &mut self.phase else {
            return;
        };
        self.deadlines.digits = None;
        let keyed = std::mem::take(&mut menu.keyed);
        self.sound.stop(ctx, Side::A);
        ctx.note(Note::Keyed {
            digits: keyed.len() as u32,
        });
        let next = if keyed.is_empty() {
            Next::Refuse(Ending::EmptyExtension)
        } else {
            let fact = self.story.collected(ctx.now.wall_ms, keyed.clone());
            ctx.core.tell(fact);
            self.look_up(ctx, &keyed)
        };
        match next {
            Next::Refuse(ending @ (Ending::EmptyExtension | Ending::BadExtension)) => {
                self.ask_again(ctx, ending);
            }
            next => self.go(ctx, next),
        }
    }

    fn look_up(&mut self, ctx: &mut Ctx<'_>, keyed: &str) -> Next {
        let whole = keyed.len() == usize::from(self.arrived.app.menu.digits);
        match Extension::parse(keyed).filter(|_| whole) {
            Some(extension) => plan::by_extension(ctx, &self.arrived, extension, &mut self.story),
            None => Next::Refuse(Ending::BadExtension),
        }
    }

    fn ask_again(&mut self, ctx: &mut Ctx<'_>, ending: Ending) {
        let rules = &self.arrived.app.menu;
        let Phase::Menu(menu) = &mut self.phase else {
            return;
        };
        menu.tries_left = menu.tries_left.saturating_sub(1);
        if menu.tries_left == 0 {
            let prompt = match ending {
                Ending::EmptyExtension => rules.none_end.clone().or(rules.wrong_end.clone()),
                _ => rules.wrong_end.clone(),
            };
            let prompt = prompt.unwrap_or_else(tones::wrong);
            return self.announce(ctx, Some(prompt), ending);
        }
        let wrong = match ending {
            Ending::EmptyExtension => None,
            _ => rules.wrong.clone(),
        };
        self.ask_extension(ctx, wrong);
    }
}
