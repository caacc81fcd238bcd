// A precondition of the code under test that does not hold ends the process. The seed must not be
// lost with it.

import Glibc

enum Trap {
    /// The seed that runs. Written by the one thread, read by it in the handler.
    nonisolated(unsafe) static var seed: UInt64 = 0

    static func install() {
        for number in [SIGILL, SIGTRAP, SIGSEGV, SIGABRT, SIGBUS] {
            _ = signal(number) { _ in
                // Only what is safe in a handler: digits by hand, one write.
                var digits: (UInt8, UInt8) = (0, 0)
                Trap.write("seed ")
                var divisor: UInt64 = 10_000_000_000_000_000_000
                var hasBegun = false
                while divisor > 0 {
                    let digit = Trap.seed / divisor % 10
                    hasBegun = hasBegun || digit > 0 || divisor == 1
                    if hasBegun {
                        digits.0 = UInt8(48 + digit)
                        _ = Glibc.write(2, &digits, 1)
                    }
                    divisor /= 10
                }
                Trap.write(" failed: the code under test trapped\n")
                _exit(70)
            }
        }
    }

    private static func write(_ text: StaticString) {
        _ = Glibc.write(2, text.utf8Start, text.utf8CodeUnitCount)
    }
}
