//! TFRecord framing: the length of the data as a little-endian u64, a checksum of these 8 bytes, the data, and a checksum
//! of the data. A checksum is a CRC-32C, masked because a CRC of data that contains CRCs is weak.

use crc::{CRC_32_ISCSI, Crc};
use prost::Message;

const CRC_32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// Appends a message as a record.
pub(super) fn append(bytes: &mut Vec<u8>, message: &impl Message) {
    let data = message.encode_to_vec();
    let length = (data.len() as u64).to_le_bytes();
    bytes.extend(length);
    bytes.extend(masked_crc(&length).to_le_bytes());
    bytes.extend(&data);
    bytes.extend(masked_crc(&data).to_le_bytes());
}

fn masked_crc(bytes: &[u8]) -> u32 {
    CRC_32C.checksum(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// The records of a file, with their checksums verified.
#[cfg(test)]
pub(super) fn read<M: Message + Default>(mut bytes: &[u8]) -> Vec<M> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_at(8);
        let (length_crc, rest) = rest.split_at(4);
        let (data, rest) = rest.split_at(u64::from_le_bytes(length.try_into().unwrap()) as usize);
        let (data_crc, rest) = rest.split_at(4);
        assert_eq!(length_crc, masked_crc(length).to_le_bytes());
        assert_eq!(data_crc, masked_crc(data).to_le_bytes());
        messages.push(M::decode(data).unwrap());
        bytes = rest;
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::super::messages::Event;
    use super::*;

    #[test]
    fn checksums_are_those_of_rfc_3720() {
        // Appendix B.4.
        let ascending: Vec<u8> = (0..32).collect();
        let descending: Vec<u8> = (0..32).rev().collect();
        for (bytes, expected) in [
            (&[0; 32][..], 0x8a91_36aa),
            (&[0xff; 32], 0x62a8_ab43),
            (&ascending, 0x46dd_794e),
            (&descending, 0x113f_db5c),
        ] {
            assert_eq!(CRC_32C.checksum(bytes), expected);
        }
    }

    #[test]
    fn a_record_has_the_bytes_that_tensorboard_writes() {
        // from tensorboard.compat.proto.event_pb2 import Event
        // from tensorboard.summary.writer.record_writer import RecordWriter
        // RecordWriter(file).write(Event(wall_time=1.5, step=7, file_version="brain.Event:2").SerializeToString())
        let expected = b"\x1a\x00\x00\x00\x00\x00\x00\x00\x12\x9b\xd8-\x09\x00\x00\x00\x00\x00\x00\xf8?\x10\x07\x1a\x0dbrain.Event:2\xdaDd\x86";
        let event = Event {
            wall_time: 1.5,
            step: 7,
            file_version: Some("brain.Event:2".to_owned()),
            ..Event::default()
        };
        let mut bytes = Vec::new();
        append(&mut bytes, &event);
        assert_eq!(bytes, expected);
        assert_eq!(read::<Event>(&bytes), [event]);
    }
}
