use std::io::Read;

use proptest::prelude::*;

use super::*;

fn decode(coding: Coding, coded: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    let read = match coding {
        Coding::Zstd => zstd::Decoder::new(coded).and_then(|mut decoder| decoder.read_to_end(&mut data)),
        Coding::Brotli => brotli::Decompressor::new(coded, 4096).read_to_end(&mut data),
        Coding::Gzip => flate2::read::GzDecoder::new(coded).read_to_end(&mut data),
    };
    read.unwrap();
    data
}

/// All that can be read of what may go on.
fn decode_so_far(coding: Coding, coded: &[u8]) -> Vec<u8> {
    let mut data = vec![0; 1 << 20];
    let mut filled = 0;
    let mut reader: Box<dyn Read> = match coding {
        Coding::Zstd => Box::new(zstd::Decoder::new(coded).unwrap()),
        Coding::Brotli => Box::new(brotli::Decompressor::new(coded, 1)),
        Coding::Gzip => Box::new(flate2::read::GzDecoder::new(coded)),
    };
    while let Ok(length) = reader.read(&mut data[filled..]) {
        if length == 0 {
            break;
        }
        filled += length;
    }
    data.truncate(filled);
    data
}

fn text(length: usize) -> Vec<u8> {
    (0..)
        .flat_map(|n: u32| format!("<p>{}</p>\n", n.wrapping_mul(2_654_435_761)).into_bytes())
        .take(length)
        .collect()
}

#[test]
fn bodies_shrink_and_come_back() {
    let body = text(300_000);
    let encoders = Rc::new(Encoders::default());
    for coding in Coding::ALL {
        for length in [None, Some(body.len() as u64)] {
            let mut out = BytesMut::new();
            let mut encoder = encoders.lend(coding, length).unwrap();
            for piece in body.chunks(16 * 1024) {
                encoder.take(piece, &mut out).unwrap();
            }
            encoder.finish(&mut out).unwrap();
            assert!(out.len() < body.len() * 6 / 10, "{coding:?} {}", out.len());
            assert_eq!(decode(coding, &out), body, "{coding:?}");
        }
    }
}

#[test]
fn what_is_flushed_can_be_read_at_once() {
    let encoders = Rc::new(Encoders::default());
    for coding in Coding::ALL {
        let (mut out, mut said) = (BytesMut::new(), Vec::new());
        let mut encoder = encoders.lend(coding, None).unwrap();
        for number in 0..50 {
            let line = format!("{number}: forty bytes or so of what is new now\n");
            said.extend_from_slice(line.as_bytes());
            encoder.take(line.as_bytes(), &mut out).unwrap();
            encoder.flush(&mut out).unwrap();
            assert_eq!(decode_so_far(coding, &out), said, "{coding:?} {number}");
        }
        let before = out.len();
        encoder.flush(&mut out).unwrap();
        assert_eq!(out.len(), before, "nothing new says nothing");
    }
}

#[test]
fn an_encoder_that_was_left_halfway_begins_anew() {
    let encoders = Rc::new(Encoders::default());
    for coding in Coding::ALL {
        let mut dropped = encoders.lend(coding, Some(1000)).unwrap();
        dropped.take(b"something", &mut BytesMut::new()).unwrap();
        drop(dropped);
        let mut out = BytesMut::new();
        let mut encoder = encoders.lend(coding, None).unwrap();
        encoder.take(b"another", &mut out).unwrap();
        encoder.finish(&mut out).unwrap();
        assert_eq!(decode(coding, &out), b"another");
    }
    assert_eq!(encoders.kept.borrow().len(), KEPT);
}

#[test]
fn a_thread_has_so_many_encoders_and_no_more() {
    let encoders = Rc::new(Encoders::default());
    let mut lent: Vec<_> = (0..MOST).map(|_| encoders.lend(Coding::Gzip, None).unwrap()).collect();
    assert!(encoders.lend(Coding::Gzip, None).is_none());
    lent.pop();
    assert!(encoders.lend(Coding::Gzip, None).is_some());
    drop(lent);
    assert_eq!((encoders.lent.get(), encoders.kept.borrow().len()), (0, KEPT));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_split_with_flushes_anywhere_comes_back(
        pieces in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..3000), any::<bool>()), 0..12)
    ) {
        let encoders = Rc::new(Encoders::default());
        let whole: Vec<u8> = pieces.iter().flat_map(|(piece, _)| piece.clone()).collect();
        for coding in Coding::ALL {
            for length in [None, Some(whole.len() as u64)] {
                let mut out = BytesMut::new();
                let mut encoder = encoders.lend(coding, length).unwrap();
                for (piece, flush) in &pieces {
                    encoder.take(piece, &mut out).unwrap();
                    if *flush {
                        encoder.flush(&mut out).unwrap();
                    }
                }
                encoder.finish(&mut out).unwrap();
                prop_assert_eq!(&decode(coding, &out), &whole);
            }
        }
    }
}
