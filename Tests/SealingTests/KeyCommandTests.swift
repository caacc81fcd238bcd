// A ring from a command: the good ones, and every way to fail, in bounded time and without anything
// left behind.

import Foundation
import Glibc
import Testing

@testable import Sealing

@Suite("A keys command")
struct KeyCommandTests {
    /// For commands that end by themselves, also on a machine that is busy.
    private static let patience = Duration.seconds(60)

    private func shell(
        _ script: String,
        limit: Duration = KeyCommandTests.patience
    ) throws(KeySourceError) -> KeyRing {
        try KeyCommand.run(["/bin/sh", "-c", script], limit: limit)
    }

    @Test("gives the ring that it prints")
    func good() throws {
        let directory = try TemporaryDirectory()
        for ring in [try testRing(1), try testRing(64)] {
            try KeyFile.write(ring, to: directory.file("keys"))
            #expect(try KeyCommand.run(["/bin/cat", directory.file("keys")]) == ring)
            // Looked for in PATH; and its complaints are nobody's while it succeeds.
            #expect(try KeyCommand.run(["cat", directory.file("keys")]) == ring)
            #expect(try shell("echo oh >&2; cat '\(directory.file("keys"))'") == ring)
        }
    }

    @Test("that fails is told with its exit code and its last words")
    func failing() {
        // With the end of its line it is as long as what is kept.
        let last = String(repeating: "x", count: 193) + " again"
        let chatter =
            "echo first >&2; printf 'y%.0s' $(seq 900) >&2; echo '\(last)' >&2; exit 1"
        let cases: [(script: String, ending: CommandEnding, complaint: String)] = [
            ("exit 3", .exitCode(3), ""),
            ("echo no luck >&2; exit 255", .exitCode(255), "no luck"),
            ("echo holdfast keys 1; false", .exitCode(1), ""),
            ("kill -TERM $$", .signal(SIGTERM), ""),
            (chatter, .exitCode(1), last),
            ("printf 'a\\033[31m b\\n\\n\\tc\\000' >&2; exit 2", .exitCode(2), "a [31m b c"),
        ]
        for (script, ending, complaint) in cases {
            let error = KeySourceError.failed(
                command: "/bin/sh",
                ending: ending,
                complaint: complaint
            )
            #expect(throws: error) { _ = try shell(script) }
            #expect("\(error)".contains("\(ending)"))
        }
        #expect(cases.count >= 6)
    }

    @Test("that hangs is killed with what it has started, and told as late")
    func hanging() throws {
        let directory = try TemporaryDirectory()
        let pids = directory.file("pids")
        let scripts = [
            "sleep 600 & echo $! > '\(pids)'; echo $$ >> '\(pids)'; echo still here >&2; wait",
            // It has closed what is listened to, and does not end.
            "echo still here >&2; echo $$ > '\(pids)'; exec >&- 2>&-; sleep 600",
            // It does not want to be ended.
            "trap '' TERM INT HUP; echo still here >&2; echo $$ > '\(pids)'; sleep 600; sleep 600",
        ]
        for script in scripts {
            // Time enough for a busy machine to come as far as the sleep.
            let limit = Duration.milliseconds(500)
            let begin = ContinuousClock.now
            let error = KeySourceError.timedOut(
                command: "/bin/sh",
                limit: limit,
                complaint: "still here"
            )
            #expect(throws: error) { _ = try shell(script, limit: limit) }
            #expect(ContinuousClock.now - begin < .seconds(30))
            let started = try String(contentsOfFile: pids, encoding: .utf8).split(separator: "\n")
            #expect(!started.isEmpty)
            for pid in started.compactMap({ pid_t($0) }) { #expect(isGone(pid), "\(pid) lives") }
        }
    }

    @Test("that complains without an end is killed, and its end is told")
    func complaining() {
        let limit = Duration.milliseconds(200)
        do {
            _ = try shell("exec yes no >&2", limit: limit)
            Issue.record("it has ended")
        } catch {
            guard case .timedOut(_, _, let complaint) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(complaint.contains("no no no"))
            #expect(complaint.utf8.count <= 200)
        }
    }

    @Test("that prints too much is killed")
    func printing() {
        let error = KeySourceError.tooMuchOutput(command: "/bin/sh", complaint: "")
        #expect(throws: error) { _ = try shell("head -c 65537 /dev/zero") }
        #expect(throws: error) { _ = try shell("exec yes") }
        let unreadable = KeySourceError.unreadable(source: "/bin/sh", .tooLong)
        #expect(throws: unreadable) { _ = try shell("head -c 65536 /dev/zero") }
    }

    @Test("may leave something running that still holds its output")
    func leftRunning() throws {
        let directory = try TemporaryDirectory()
        let ring = try testRing()
        try KeyFile.write(ring, to: directory.file("keys"))
        let pids = directory.file("pids")
        let script = "sleep 600 & echo $! > '\(pids)'; cat '\(directory.file("keys"))'"
        #expect(try shell(script) == ring)
        let text = try String(contentsOfFile: pids, encoding: .utf8)
        let pid = try #require(pid_t(text.trimmingCharacters(in: .newlines)))
        // Not this module's to end: the command has left it with success.
        #expect(kill(pid, SIGKILL) == 0)
    }

    @Test("gets no input, no shell, this process's environment, and no signal that is ignored here")
    func surroundings() {
        #expect(throws: failure(4)) { _ = try shell("cat; exit 4") }
        #expect(throws: failure(5)) { _ = try shell("test -n \"$PATH\" && exit 5") }
        #expect(throws: KeySourceError.unreadable(source: "/bin/echo", .notKeys)) {
            _ = try KeyCommand.run(["/bin/echo", "$(touch /never); exit 1"])
        }
        // Of the three sets in /proc, that of ignored signals. What ignores one here would have the
        // command ignore it too. The C library has two of its own, 32 and 33, ignored in a child.
        #expect(throws: failure(6)) {
            _ = try shell("grep -q '^SigIgn:.0000000[01][08]0000000$' /proc/self/status && exit 6")
        }
        #expect(throws: failure(7)) {
            _ = try shell("grep -q '^SigBlk:.0000000000000000$' /proc/self/status && exit 7")
        }
    }

    @Test("that is none, or is not there, is told so")
    func missing() {
        for words in [[], [""], ["", "x"], ["/bin/echo", "a\0b"]] {
            #expect(throws: KeySourceError.noCommand) { _ = try KeyCommand.run(words) }
        }
        for word in ["/no/such/program", "holdfast-no-such-program", "/etc/passwd", "/"] {
            do {
                _ = try KeyCommand.run([word, "secret"])
                Issue.record("\(word) ran")
            } catch {
                guard case .notStarted(let command, _) = error else {
                    Issue.record("\(error)")
                    continue
                }
                #expect(command == word)
                #expect(!"\(error)".contains("secret"))
            }
        }
    }

    @Test("leaves no descriptor and no child behind, however it ends")
    func leftovers() throws {
        let before = try descriptorCount()
        var count = 0
        for _ in 0..<100 {
            #expect(throws: failure(1)) { _ = try shell("exit 1") }
            #expect(throws: KeySourceError.self) { _ = try KeyCommand.run(["/no/such/program"]) }
            #expect(throws: KeySourceError.self) { _ = try shell("sleep 600", limit: .zero) }
            count += 3
        }
        // Other tests run beside this one and have files of their own; what leaks, leaks each time.
        #expect(try descriptorCount() < before + count / 3)
        #expect(try zombieCount() < count / 3)
        #expect(count >= 300)
    }

    @Test("does not get its keys into an error, whatever it says")
    func silence() throws {
        let directory = try TemporaryDirectory()
        let ring = try testRing(1)
        let path = directory.file("keys")
        try KeyFile.write(ring, to: path)
        let scripts = [
            "cat '\(path)' >&2; exit 1", "cat '\(path)' '\(path)' >&2; exit 1",
            "cat '\(path)'; exit 1", "cat '\(path)'; echo", "cat '\(path)'; cat '\(path)'",
            "tr a-f A-F < '\(path)' >&2; exit 1",
            // Wherever the last 200 bytes begin.
            "cat '\(path)' >&2; printf 'x%.0s' $(seq 150) >&2; exit 1",
            "cat '\(path)' >&2; printf 'x%.0s' $(seq 160) >&2; exit 1",
            "cat '\(path)' >&2; printf 'x%.0s' $(seq 175) >&2; exit 1",
        ]
        for script in scripts {
            do {
                _ = try shell(script)
                Issue.record("\(script) gave a ring")
            } catch {
                let said = texts(of: error)
                #expect(leaks(of: keyBytes(1), in: said).isEmpty, "\(script)")
            }
        }
    }

    private func failure(_ code: CInt) -> KeySourceError {
        .failed(command: "/bin/sh", ending: .exitCode(code), complaint: "")
    }

    private func descriptorCount() throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
    }

    /// The children of this process that have ended and that nobody has waited for.
    private func zombieCount() throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc").count { name in
            pid_t(name) != nil && isZombie("/proc/\(name)/stat", of: getpid())
        }
    }

    /// From "pid (name) state parent ...". A process that is gone is none.
    private func isZombie(_ path: String, of parent: pid_t?) -> Bool {
        guard let status = try? String(contentsOfFile: path, encoding: .utf8),
            let fields = status.split(separator: ")").last?.split(separator: " "),
            fields.count >= 2
        else { return false }
        return fields[0] == "Z" && (parent == nil || pid_t(fields[1]) == parent)
    }

    /// Whether the process has ended. What it started is not this process's child: who inherits it
    /// may be slow to let it go, so that a dead one counts.
    private func isGone(_ pid: pid_t) -> Bool {
        for _ in 0..<2000 {
            if kill(pid, 0) != 0, errno == ESRCH { return true }
            if isZombie("/proc/\(pid)/stat", of: nil) { return true }
            // A killed process is gone when the kernel has come to it.
            poll(nil, 0, 5)
        }
        return false
    }
}
