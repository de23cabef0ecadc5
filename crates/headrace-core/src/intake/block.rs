//! Sixteen bytes of JSON looked at at once: which of them a string's text cannot just go on over.

/// How many bytes a block has.
pub(super) const BLOCK: usize = 16;

/// A bit for each byte, the first one's lowest: whether it is a quote, a backslash or a control character (RFC 8259, 7).
#[cfg(target_arch = "x86_64")]
#[inline]
#[allow(unsafe_code)]
pub(super) fn marks(block: &[u8; BLOCK]) -> u32 {
    // SAFETY: SSE2 is part of x86-64.
    unsafe { sse2::marks(block) }
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) use portable::marks;

#[cfg(target_arch = "x86_64")]
mod sse2 {
    use std::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8,
    };

    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn marks(block: &[u8; super::BLOCK]) -> u32 {
        let whole = u128::from_le_bytes(*block);
        let bytes = _mm_set_epi64x((whole >> 64) as i64, whole as i64);
        let quotes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'"'.cast_signed()));
        let backslashes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'\\'.cast_signed()));
        let controls = _mm_cmpeq_epi8(bytes, _mm_min_epu8(bytes, _mm_set1_epi8(0x1f)));
        _mm_movemask_epi8(_mm_or_si128(quotes, _mm_or_si128(backslashes, controls))) as u32
    }
}

/// The same, eight bytes in a word at a time.
#[cfg(any(test, not(target_arch = "x86_64")))]
mod portable {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const LOW: u64 = ONES * 0x7f;

    #[inline]
    pub(super) fn marks(block: &[u8; super::BLOCK]) -> u32 {
        let whole = u128::from_le_bytes(*block);
        of_word(whole as u64) | of_word((whole >> 64) as u64) << 8
    }

    fn of_word(word: u64) -> u32 {
        let differs = |byte: u8| {
            let difference = word ^ (ONES * u64::from(byte));
            ((difference & LOW) + LOW) | difference
        };
        let is_printable = ((word & LOW) + ONES * 0x60) | word;
        let plain = differs(b'"') & differs(b'\\') & is_printable;
        // The high bit of each byte says it; the product gathers them in its highest byte.
        ((!plain >> 7 & ONES).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_is_marked_at_each_place_and_no_other() {
        for byte in 0..=u8::MAX {
            let marked = byte == b'"' || byte == b'\\' || byte < 0x20;
            for at in 0..BLOCK {
                for around in [b' ', b'!', b'#', b'[', b']', b'a', 0x7f, 0x80, 0xff] {
                    let mut block = [around; BLOCK];
                    block[at] = byte;
                    let expected = u32::from(marked) << at;
                    assert_eq!(marks(&block), expected, "{byte} at {at} among {around}");
                    assert_eq!(portable::marks(&block), expected, "{byte} at {at} among {around}");
                }
            }
            let all = if marked { 0xffff } else { 0 };
            assert_eq!(
                (marks(&[byte; BLOCK]), portable::marks(&[byte; BLOCK])),
                (all, all),
                "{byte}"
            );
        }
    }
}
