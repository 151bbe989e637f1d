//! A writer that rests after it has written.

use std::{
    io::{self, BufWriter, Write},
    thread,
    time::Duration,
};

/// Bytes that are written at once, at most.
const BUFFER: usize = 64 * 1024;
/// How long the lines that come after others are gathered.
const REST: Duration = Duration::from_millis(5);

/// For a thread that writes whatever lines there are, flushes, and waits for more. A line after a rest is written at once. Those
/// that follow it are written together after the next one: their makers need not wake the thread for each of them.
pub(super) struct Paced<W: Write>(BufWriter<W>);

impl<W: Write> Paced<W> {
    pub(super) fn new(out: W) -> Self {
        Self(BufWriter::with_capacity(BUFFER, out))
    }
}

impl<W: Write> Write for Paced<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()?;
        thread::sleep(REST);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, Mutex},
        time::Instant,
    };

    use tracing_appender::non_blocking::NonBlockingBuilder;

    use super::*;

    /// What each write brought.
    #[derive(Clone, Default)]
    struct Out(Arc<Mutex<Vec<String>>>);

    impl Out {
        fn lines(&self) -> usize {
            let writes = self.0.lock().unwrap();
            writes.iter().map(|write| write.lines().count()).sum()
        }
    }

    impl Write for Out {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            self.0.lock().unwrap().push(text);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_follow_each_other_are_written_together_and_none_is_lost() {
        let out = Out::default();
        let (mut lines, guard) = NonBlockingBuilder::default()
            .lossy(false)
            .finish(Paced::new(out.clone()));
        let began = Instant::now();

        lines.write_all(b"first\n").unwrap();
        while out.lines() == 0 {
            assert!(began.elapsed() < Duration::from_secs(10));
            thread::yield_now();
        }
        for n in 0..1000 {
            lines.write_all(format!("{n}\n").as_bytes()).unwrap();
        }
        while out.lines() < 1001 {
            assert!(began.elapsed() < Duration::from_secs(10));
            thread::yield_now();
        }
        let rests = began.elapsed().as_micros() / REST.as_micros();
        drop(guard);

        let writes = out.0.lock().unwrap();
        assert_eq!(writes[0], "first\n");
        assert!(
            writes.len() as u128 <= rests + 1,
            "{} writes with {rests} rests between them",
            writes.len()
        );
    }
}
