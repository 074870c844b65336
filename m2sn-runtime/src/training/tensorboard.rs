//! TensorBoard's event files: records of protocol buffers, of which scalars need four messages.
//!
//! The messages are `Event { wall_time: 1, step: 2, file_version: 3, summary: 5 }`, `Summary { value: 1 }` and
//! `Value { tag: 1, simple_value: 2 }`; the numbers are those of the fields.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::{Error, Result};

/// An event file that is being written.
#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    file: File,
}

impl Writer {
    /// Begins a new event file in `folder`; TensorBoard reads all of a folder as one run.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be made.
    pub(super) fn create(folder: &Path) -> Result<Self> {
        let now = now();
        let path = folder.join(format!("events.out.tfevents.{:010}.{:09}.m2sn", now.as_secs(), now.subsec_nanos()));
        let file = File::create(&path).map_err(Error::io(&path))?;
        let mut writer = Self { path, file };
        writer.write(&record(&version_event(now.as_secs_f64())))?;
        Ok(writer)
    }

    /// Adds the values of some scalars at a step.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written.
    pub(super) fn scalars(&mut self, step: u64, scalars: &[(String, f64)]) -> Result<()> {
        self.write(&record(&scalars_event(now().as_secs_f64(), step, scalars)))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(Error::io(&self.path))
    }
}

fn now() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn version_event(time: f64) -> Vec<u8> {
    let mut event = Vec::new();
    fixed64(&mut event, 1, time);
    bytes(&mut event, 3, b"brain.Event:2");
    event
}

fn scalars_event(time: f64, step: u64, scalars: &[(String, f64)]) -> Vec<u8> {
    let mut summary = Vec::new();
    for (tag, value) in scalars {
        let mut entry = Vec::new();
        bytes(&mut entry, 1, tag.as_bytes());
        fixed32(&mut entry, 2, *value as f32);
        bytes(&mut summary, 1, &entry);
    }
    let mut event = Vec::new();
    fixed64(&mut event, 1, time);
    varint(&mut event, 2 << 3);
    varint(&mut event, step);
    bytes(&mut event, 5, &summary);
    event
}

/// The framing of a TFRecord: length, its checksum, data, its checksum.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [&length, &masked_crc(&length).to_le_bytes()[..], data, &masked_crc(data).to_le_bytes()].concat()
}

fn masked_crc(data: &[u8]) -> u32 {
    crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), bit by bit: an epoch writes a few hundred bytes.
fn crc32c(data: &[u8]) -> u32 {
    !data.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()))
    })
}

fn varint(buffer: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        buffer.push(value as u8 | 0x80);
        value >>= 7;
    }
    buffer.push(value as u8);
}

fn fixed64(buffer: &mut Vec<u8>, field: u64, value: f64) {
    varint(buffer, field << 3 | 1);
    buffer.extend(value.to_le_bytes());
}

fn fixed32(buffer: &mut Vec<u8>, field: u64, value: f32) {
    varint(buffer, field << 3 | 5);
    buffer.extend(value.to_le_bytes());
}

fn bytes(buffer: &mut Vec<u8>, field: u64, value: &[u8]) {
    varint(buffer, field << 3 | 2);
    varint(buffer, value.len() as u64);
    buffer.extend(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_is_castagnoli() {
        // The check value of the CRC catalogue, and two vectors of RFC 3720.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
    }

    #[test]
    fn writes_the_bytes_that_tensorboard_writes() {
        let expected = include_bytes!("../../tests/fixtures/scalars.tfevents");
        let scalars = [("fusion/loss".to_owned(), 0.25), ("fusion/accuracy".to_owned(), 0.9375)];
        let found =
            [record(&version_event(1_700_000_000.5)), record(&scalars_event(1_700_000_001.25, 300, &scalars))].concat();
        assert_eq!(found, expected);
    }
}
