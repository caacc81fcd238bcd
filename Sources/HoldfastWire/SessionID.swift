// Session ids. Text that is safe in URLs and headers, 69 characters:
//
//     19 random + 3 routing  "."  43 random + 3 routing
//     `------ handle ------'      `------ secret -----'
//
// The handle names the session and may be shown; the secret proves the right to it and may not. The
// routing characters bring the handle alone, and the whole id, to the slot of the subject, so that
// any Redis Cluster client finds the session by either. All are digits of base64url.
//
// What is hashed, and stored as a hash, are the 46 ASCII characters behind the dot, as they stand.
//
// Parsing is strict: one text for one id. Randomness comes from the caller. It must never show the
// secret by being printed or dumped.

/// A whole session id. Whoever has it has the session.
package struct SessionID: Sendable {
    private static let secretRandomCount = 43
    /// How long the text form is.
    package static let byteCount =
        SessionHandle.byteCount + 1 + secretRandomCount + RoutingCharacters.count
    /// How many random bytes `mint` takes: one for each random character, six bits of which are
    /// used. That is 114 bits of handle and 258 of secret.
    package static let randomByteCount = SessionHandle.randomCount + secretRandomCount

    /// What names the session.
    package let handle: SessionHandle
    /// The 46 characters behind the dot: what is hashed.
    package let secret: [UInt8]

    private init(handle: SessionHandle, secret: [UInt8]) {
        self.handle = handle
        self.secret = secret
    }

    /// Makes an id for a subject of `slot`, of `randomByteCount` bytes that nobody can guess.
    package static func mint(randomBytes: [UInt8], slot: UInt16) -> SessionID {
        precondition(randomBytes.count == randomByteCount, "one random byte for each character")
        let handle = SessionHandle(digits: randomBytes[..<SessionHandle.randomCount], slot: slot)
        let random = randomBytes[SessionHandle.randomCount...].map {
            RoutingCharacters.alphabet[Int($0 & 63)]
        }
        return SessionID(handle: handle, secret: random + routing(of: random[...], under: handle))
    }

    /// Reads the text form; nil for anything else.
    package init?(parsing text: some Collection<UInt8>) {
        guard text.count == Self.byteCount else { return nil }
        let bytes = Array(text)
        guard bytes[SessionHandle.byteCount] == UInt8(ascii: "."),
            let handle = SessionHandle(bytes[..<SessionHandle.byteCount])
        else { return nil }
        let secret = Array(bytes[(SessionHandle.byteCount + 1)...])
        let isBase64 = secret.allSatisfy {
            RoutingCharacters.values[Int($0)] < RoutingCharacters.alphabet.count
        }
        guard isBase64 else { return nil }
        let random = secret[..<Self.secretRandomCount]
        guard secret[Self.secretRandomCount...] == Self.routing(of: random, under: handle)[...]
        else { return nil }
        self.init(handle: handle, secret: secret)
    }

    /// The characters that bring the id of a handle and a secret's random part to its slot.
    private static func routing(
        of random: ArraySlice<UInt8>,
        under handle: SessionHandle
    ) -> [UInt8] {
        let head = CRC16.update(CRC16.update(0, handle.ascii), CollectionOfOne(UInt8(ascii: ".")))
        return RoutingCharacters.bringing(CRC16.update(head, random), to: handle.slot)
    }

    /// The whole id: show it to nobody but the session's holder.
    package var text: String {
        handle.text + "." + String(decoding: secret, as: UTF8.self)
    }
}

extension SessionID: Equatable {
    /// Takes the same time wherever the secrets differ.
    package static func == (left: SessionID, right: SessionID) -> Bool {
        guard left.handle == right.handle, left.secret.count == right.secret.count else {
            return false
        }
        var difference: UInt8 = 0
        for place in left.secret.indices { difference |= left.secret[place] ^ right.secret[place] }
        return difference == 0
    }
}

extension SessionID: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Never the secret: it must not get into a log by accident.
    package var description: String { "\(handle).[secret]" }

    /// As the description.
    package var debugDescription: String { description }

    /// Nothing but the handle: `dump` must not show more than `print`.
    package var customMirror: Mirror { Mirror(self, children: ["handle": handle]) }
}
