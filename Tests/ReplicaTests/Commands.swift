// How the tests make commands, keys and ids; the same shapes as in SessionMachineTests.

import Replica
import SessionMachine

extension MachineTime {
    /// Where the harness's clock starts.
    static let testStart = MachineTime(millisecondsSince1970: 1_700_000_000_000)
}

func bytes(_ text: String) -> ArraySlice<UInt8> { Array(text.utf8)[...] }

func key(_ text: String) -> Key { Key(bytes(text)) }

func handle(_ number: Int) -> SessionHandle128 {
    SessionHandle128(high: 0xabcd_0000 + UInt64(number), low: UInt64(number) &* 0x9e37_79b9)
}

func secret(_ number: Int) -> SecretDigest {
    SecretDigest(UInt64(number), 2, 3, UInt64(number) ^ 0xffff)
}

/// A login; without an idle timeout unless one is given.
func login(_ number: Int, idle: Milliseconds = .zero, life: Milliseconds = hours(100)) -> Command {
    .create(
        CreateSession(
            handle: handle(number),
            digest: secret(number),
            subject: bytes("user-\(number % 7)"),
            idle: idle,
            lifetime: life
        )
    )
}

func logout(_ number: Int) -> Command { .revoke(RevokeSession(handle: handle(number))) }

func store(_ name: String, _ value: String = "") -> Command {
    .set(
        SetValue(
            key: key(name),
            value: bytes(value),
            expiry: .clear,
            condition: .always,
            reply: .status
        )
    )
}

func proof(_ number: Int, _ purpose: ValidatePurpose = .use) -> SessionProof {
    SessionProof(handle: handle(number), digest: secret(number), purpose: purpose)
}

func hours(_ count: UInt64) -> Milliseconds { .seconds(count * 3_600) }

/// A session's status without what it carries.
enum StatusWord: Hashable { case valid, expired, revoked, unknown }

extension SessionMachine {
    /// What the edge tells the client of session `number` once it may read this machine.
    func status(_ number: Int) -> StatusWord {
        switch validate(handle(number), secret(number), now: time, purpose: .look).status {
        case .valid: .valid
        case .expired: .expired
        case .revoked: .revoked
        case .unknown: .unknown
        }
    }

    func has(_ name: String) -> Bool { exists(key(name)) }

    /// A bit of memory flips: the machine has what the log did not give it.
    mutating func flip() { _ = apply(store("flipped")) }
}
