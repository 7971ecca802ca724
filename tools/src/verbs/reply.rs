//! reply: serve requests: echo them, answer with a fixed body, or run a program for each.

use crate::clock::{Moment, micros};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::globals::Globals;
use crate::output::{Format, Printer, Report, Row, fields};
use clap::Args;
use client::{Call, CallError, Client, NewRecord, ReplyFate, Responder, ResponderConfig};
use serde::Serialize;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The longest one wait for a call.
const WAIT_MAX: Duration = Duration::from_millis(200);
/// How often the client is polled while a program runs.
const POLL_WAIT: Duration = Duration::from_millis(1);

/// Options of `reply`.
#[derive(Clone, Debug, Args)]
pub struct Reply {
    /// The service: a topic of kind service
    pub topic: String,
    /// What the answer is.
    #[command(flatten)]
    pub with: With,
    /// End after so many calls
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
}

/// What the answer is.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
pub struct With {
    /// Answer with the request's body
    #[arg(long)]
    pub echo: bool,
    /// Answer with this body
    #[arg(long, value_name = "B")]
    pub body: Option<String>,
    /// Run this shell command for each request: its body on stdin, the answer from stdout
    #[arg(long, value_name = "CMD")]
    pub exec: Option<String>,
}

/// One served call, the line of `-o jsonl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Served {
    queue: u16,
    offset: u64,
    /// What became of the answer; `unknown`: the connection broke; `failed`: the program failed and nothing was answered.
    fate: &'static str,
    micros: u64,
}

/// What was served, at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct ServedSummary {
    topic: String,
    served: u64,
    failed: u64,
}

impl Reply {
    /// Serves until `--count` calls were taken, or for ever.
    ///
    /// # Errors
    /// There is no node, or it refuses.
    pub fn run(&self, globals: &Globals, printer: &mut Printer<'_>) -> Result<Exit, Failure> {
        let client = globals.connect()?;
        let responder = client.responder(ResponderConfig::new(&self.topic))?;
        globals.talk().detail(format_args!("serving {}", self.topic));
        let summary = ServedSummary { topic: self.topic.clone(), ..Default::default() };
        let mut serving = Serving { options: self, client: client.clone(), responder, summary };
        let one_by_one = printer.format() != Format::Table;
        if one_by_one {
            printer.begin::<Served>()?;
        }
        let bar = globals.talk().progress(self.count, "calls");
        while self.count.is_none_or(|count| serving.summary.served < count) {
            if let Some(call) = serving.responder.next(WAIT_MAX)? {
                let served = serving.serve(&call, one_by_one, globals)?;
                if one_by_one {
                    printer.item(&served)?;
                    printer.flush()?;
                }
                bar.set_position(serving.summary.served);
            }
        }
        bar.finish_and_clear();
        if one_by_one {
            printer.end()?;
        } else {
            printer.report(&serving.summary)?;
        }
        serving.responder.close()?;
        globals.close(client);
        Ok(Exit::Done)
    }
}

/// A run of `reply` under way.
struct Serving<'a> {
    options: &'a Reply,
    client: Client,
    responder: Responder,
    summary: ServedSummary,
}

impl Serving<'_> {
    /// Serves one call; `told`: whether to wait for what became of the answer.
    fn serve(&mut self, call: &Call, told: bool, globals: &Globals) -> Result<Served, Failure> {
        let begun = Moment::now();
        self.summary.served += 1;
        let answer = match &self.options.with {
            With { exec: Some(command), .. } => self.run_program(command, call.body()),
            With { body: Some(body), .. } => Ok(body.as_bytes().to_vec()),
            With { .. } => Ok(call.body().to_vec()),
        };
        let fate = match answer {
            Ok(body) => self.answer(call, &NewRecord::new(&body), told)?,
            Err(cause) => {
                self.summary.failed += 1;
                globals.talk().say(format_args!("warning: not answered: {cause}"));
                "failed"
            }
        };
        let micros = micros(begun.elapsed());
        Ok(Served { queue: call.queue.number(), offset: call.offset, fate, micros })
    }

    /// Answers a call. A connection that breaks meanwhile is no reason to serve no more.
    fn answer(
        &mut self,
        call: &Call,
        record: &NewRecord<'_>,
        told: bool,
    ) -> Result<&'static str, CallError> {
        let fate = if told {
            self.responder.reply(call, record).map(fate_word)
        } else {
            self.responder.reply_only(call, record).map(|()| "sent")
        };
        match fate {
            Err(CallError::Unknown(_) | CallError::NotSent) => Ok("unknown"),
            fate => fate,
        }
    }

    /// Runs the program on a thread of its own; meanwhile the client stays alive.
    fn run_program(&self, command: &str, body: &[u8]) -> Result<Vec<u8>, String> {
        std::thread::scope(|scope| {
            let running = scope.spawn(|| output_of(command, body));
            while !running.is_finished() {
                self.client.poll(POLL_WAIT);
            }
            running.join().map_err(|_| "its thread ended with a defect".to_owned())?
        })
    }
}

/// What a shell command writes to its standard output, given `body` on its standard input.
fn output_of(command: &str, body: &[u8]) -> Result<Vec<u8>, String> {
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("sh cannot be run: {error}"))?;
    let mut input = child.stdin.take().expect("asked to be piped");
    std::thread::scope(|scope| {
        // A program that does not read its input is fine.
        scope.spawn(move || drop(input.write_all(body)));
        let output = child.wait_with_output().map_err(|error| format!("{command}: {error}"))?;
        if output.status.success() {
            Ok(output.stdout)
        } else {
            Err(format!("{command}: {}", output.status))
        }
    })
}

const fn fate_word(fate: ReplyFate) -> &'static str {
    match fate {
        ReplyFate::Delivered => "delivered",
        ReplyFate::Late => "late",
        ReplyFate::RequesterGone => "requester-gone",
        ReplyFate::NotYours => "not-yours",
    }
}

impl Row for Served {
    const COLUMNS: &'static [&'static str] = &["QUEUE", "OFFSET", "FATE", "MICROS"];

    fn cells(&self) -> Vec<String> {
        let Self { queue, offset, fate, micros } = self;
        vec![queue.to_string(), offset.to_string(), (*fate).to_owned(), micros.to_string()]
    }
}

impl Report for ServedSummary {
    fn describe(&self) -> String {
        fields(&[
            ("topic", self.topic.clone()),
            ("served", self.served.to_string()),
            ("failed", self.failed.to_string()),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_answers() {
        assert_eq!(output_of("tr a-z A-Z", b"abc").as_deref(), Ok(b"ABC".as_slice()));
        let large = vec![b'x'; 1 << 20];
        assert_eq!(output_of("cat", &large), Ok(large.clone()));
        assert_eq!(output_of("echo unread", &large).as_deref(), Ok(b"unread\n".as_slice()));
        assert!(output_of("exit 3", b"").is_err());
    }
}
