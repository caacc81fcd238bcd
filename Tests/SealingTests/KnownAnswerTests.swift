// Answers that others have computed: a cipher that merely opens what it has sealed may be any
// cipher, and a disk that is sealed today is opened by a later version.

import Crypto
import Testing

@testable import Sealing

@Suite("Known answers")
struct KnownAnswerTests {
    /// RFC 5869, appendix A.1 to A.3. Our keys have 32 bytes, and the output for 32 bytes is the
    /// beginning of that for more.
    @Test("of HKDF-SHA256 are those of RFC 5869")
    func derivation() throws {
        let short = [UInt8](repeating: 0x0b, count: 22)
        let cases: [(key: [UInt8], salt: [UInt8], info: [UInt8], output: String)] = [
            (
                short, Array(0x00...0x0c), Array(0xf0...0xf9),
                "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
            ),
            (
                Array(0x00...0x4f), Array(0x60...0xaf), Array(0xb0...0xff),
                "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
            ),
            (short, [], [], "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"),
        ]
        for (key, salt, info, output) in cases {
            let derived = SecretKey(SymmetricKey(data: key)).derived(salt: salt, info: info)
            #expect(String(decoding: derived.digits, as: UTF8.self) == output)
        }
    }

    /// The GCM specification (McGrew and Viega), test cases 13 and 14: those of its cases for
    /// AES-256 whose nonce has the form that this module gives to nonces, here that of number 0.
    @Test("of AES-256-GCM are those of the specification")
    func specification() throws {
        let key = try #require(SecretKey(bytes: [UInt8](repeating: 0, count: 32)))
        let context = SealingContext(derived: key)
        let empty = context.seal([], number: 0, associated: [])
        #expect(hexadecimal(empty) == "530f8afbc74536b9a963b4f1c4cb738b")
        let zeros = [UInt8](repeating: 0, count: 16)
        let box = context.seal(zeros[...], number: 0, associated: [])
        #expect(
            hexadecimal(box) == "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"
        )
        #expect(try context.open(box[...], number: 0, associated: []) == zeros)
    }

    /// Key, plaintext and associated data of the specification's test case 16, under the nonce of
    /// another number: its own begins with bytes that are never written here. Computed with
    /// Python's `cryptography` 48 (OpenSSL), which gave the right answer for test case 16 itself:
    ///
    ///     AESGCM(key).encrypt(bytes(4) + number.to_bytes(8, "big"), plaintext, associated)
    @Test("of AES-256-GCM with a number and with bytes beside it are those of OpenSSL")
    func numbered() throws {
        let half = "feffe9928665731c6d6a8f9467308308"
        let plaintext = try bytes(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                + "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
        )
        let associated = try bytes("feedfacedeadbeeffeedfacedeadbeefabaddad2")
        let keyBytes = try bytes(half + half)
        let key = try #require(SecretKey(bytes: keyBytes))
        let context = SealingContext(derived: key)
        let number: UInt64 = 0x0102_0304_0506_0708
        let box = context.seal(plaintext[...], number: number, associated: associated[...])
        let expected =
            "b1b79828d09247ae27ef9f7bcf223c1178d0f8196508e9bd6023d76de5ea61f2"
            + "d20a71bf6d957a99beb93765eabbd80ba5b815b087a4b440bc2ef89cdb8664fe"
            + "8ae6c59b81883a2ca57cfbc3"
        #expect(hexadecimal(box) == expected)
        let opened = try context.open(box[...], number: number, associated: associated[...])
        #expect(opened == plaintext)
    }

    /// From a master key to a box, so that none of what is between can change unseen: the salt, the
    /// purpose, the form of the nonce. Computed as above, with HKDF by Python's `hmac`.
    @Test("of the whole way from a master key to a box stay what they are")
    func wholeWay() throws {
        let master = try #require(SecretKey(bytes: Array(0..<32)))
        let ring = KeyRing(KeyRing.Entry(master, created: moment(0)))
        let head = SealedHead(key: master.id, salt: Array(32..<64))
        let context = try Sealer.resume(head, ring, purpose: "a test")
        let box = context.seal(
            Array("what is sealed".utf8)[...],
            number: 0x0102_0304_0506_0708,
            associated: Array("what is not".utf8)[...]
        )
        #expect(
            hexadecimal(box) == "0c4ad1df6ae8169d8fbb0694eb10b7b493bbc7463afe5c425bd4dd45f505"
        )
    }

    private func hexadecimal(_ bytes: [UInt8]) -> String {
        String(decoding: Hex.digits(bytes), as: UTF8.self)
    }

    private func bytes(_ digits: String) throws -> [UInt8] {
        try #require(Hex.bytes(Array(digits.utf8)[...]))
    }
}
