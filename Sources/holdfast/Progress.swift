// How far a long command is, on standard error: a bar on a terminal, a line now and then elsewhere.
// Nothing in the first two seconds.

import Glibc

struct ProgressBar {
    private let started = ContinuousClock.now
    private var lastShown: ContinuousClock.Instant?
    private var isOnScreen = false
    private let isTerminal = isatty(STDERR_FILENO) == 1

    private static let patience = Duration.seconds(2)
    private static let width = 40

    /// `done` of `total` steps of `what` are done.
    mutating func show(_ what: String, _ done: Int, of total: Int) {
        let now = ContinuousClock.now
        let pause = isTerminal ? Duration.milliseconds(200) : .seconds(10)
        guard now - started >= Self.patience, total > 0 else { return }
        if let lastShown, now - lastShown < pause { return }
        lastShown = now
        let percent = min(100, done * 100 / total)
        guard isTerminal else { return write("\(what): \(percent) % (\(done) of \(total))\n") }
        let filled = percent * Self.width / 100
        let bar = String(repeating: "#", count: filled)
        let rest = String(repeating: " ", count: Self.width - filled)
        write("\r[\(bar)\(rest)] \(percent) % \(what)\u{1b}[K")
        isOnScreen = true
    }

    /// Takes the bar off the terminal.
    mutating func clear() {
        if isOnScreen { write("\r\u{1b}[K") }
        isOnScreen = false
    }

    private func write(_ text: String) {
        let bytes = Array(text.utf8)
        // There is nobody to tell if standard error is closed.
        _ = bytes.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
