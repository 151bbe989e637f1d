//! One JSON object per line.

use futures::{Stream, stream};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::{LONGEST, Line, Upload, too_long};

/// Some programs begin a file with it.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

pub(super) fn lines(upload: Upload) -> impl Stream<Item = Result<Line, String>> {
    let begin = (BufReader::new(upload), 0_u64, false);
    stream::unfold(begin, |(mut reader, mut number, ended)| async move {
        if ended {
            return None;
        }
        loop {
            number = number.saturating_add(1);
            let line = match line(&mut reader).await {
                Ok(Some(line)) => line,
                Ok(None) => return None,
                Err(error) => return Some((Err(error.to_string()), (reader, number, true))),
            };
            let bytes = line.as_deref().unwrap_or_default();
            let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
            let bytes = bytes.trim_ascii();
            if line.is_some() && bytes.is_empty() {
                continue;
            }
            let json = match &line {
                Some(_) => Ok(bytes.to_vec()),
                None => Err(too_long()),
            };
            return Some((Ok(Line { number, json }), (reader, number, false)));
        }
    })
}

/// The next line; `Some(None)` if it is too long, of which no more is kept.
async fn line(reader: &mut BufReader<Upload>) -> std::io::Result<Option<Option<Vec<u8>>>> {
    let mut line = Vec::new();
    let (mut fits, mut began) = (true, false);
    loop {
        let read = reader.fill_buf().await?;
        if read.is_empty() {
            return Ok(began.then_some(fits.then_some(line)));
        }
        began = true;
        let end = read.iter().position(|byte| *byte == b'\n');
        let part = &read[..end.unwrap_or(read.len())];
        fits &= line.len() + part.len() <= LONGEST;
        if fits {
            line.extend_from_slice(part);
        }
        let used = end.map_or(read.len(), |end| end + 1);
        reader.consume(used);
        if end.is_some() {
            return Ok(Some(fits.then_some(line)));
        }
    }
}
