// How much room a node's disk has left, and the ballast: a file of no contents whose removal makes
// room when there is none. What follows from the numbers is `SpaceWatch`'s.
//
// In: `look`, by whoever is about to write much. Out: `room`, for any thread.

import Glibc
import Logging
import NIOConcurrencyHelpers
import Replica

final class DiskSpace: Sendable {
    private struct State {
        var watch = SpaceWatch()
        /// As of the latest look; nil where the disk does not say.
        var free: UInt64?
        /// Bytes of the largest group's state: its next snapshot must fit.
        var largestGroup: UInt64 = 0
        /// The disk cannot hold a ballast: the node does without.
        var isBallastWaived = false
    }

    private let directory: String
    private let settings: SpaceWatch.Marks
    private let logger: Logger
    private let state = NIOLockedValueBox(State())

    init(directory: String, settings: SpaceWatch.Marks, logger: Logger) {
        self.directory = directory
        self.settings = settings
        self.logger = logger
    }

    /// As of the latest look.
    var room: Room { state.withLockedValue { $0.watch.room } }

    /// Bytes that were free at the latest look; nil where the disk does not say.
    var free: UInt64? { state.withLockedValue { $0.free } }

    /// A snapshot of `bytes` may have to be written.
    func expect(snapshotOf bytes: Int) {
        state.withLockedValue { $0.largestGroup = UInt64(clamping: bytes) }
    }

    /// Looks at the disk. Takes microseconds, unless the ballast has to be made or given up, or the
    /// disk hangs: to be called where a write may wait too.
    @discardableResult
    func look() -> Room { look(mayMakeBallast: true) }

    private func look(mayMakeBallast: Bool) -> Room {
        guard let free = Self.free(of: directory) else { return room }
        let isBallastThere = isBallastThere
        let (before, after, step, low) = state.withLockedValue { state in
            var marks = settings
            marks.low = max(marks.low, state.largestGroup)
            let before = state.watch.room
            let hasBallast = isBallastThere || state.isBallastWaived
            let step = state.watch.look(free: free, hasBallast: hasBallast, marks)
            state.free = free
            return (before, state.watch.room, step, marks.low)
        }
        if after != before { report(after, free: free, low: low) }
        switch step {
        case nil: return after
        case .giveUpBallast: return giveUpBallast(free) ? look(mayMakeBallast: false) : after
        case .makeBallast:
            if mayMakeBallast { makeBallast() }
            return after
        }
    }

    /// Waits, before anything of the directory is opened, until there is room to start. Makes
    /// nothing: the directory may turn out to be another node's.
    func waitForRoom() async {
        var count = 0
        while look(mayMakeBallast: false) == .exhausted {
            if count.isMultiple(of: 10) {
                logger.error(
                    "the disk is full: the start waits for room",
                    metadata: ["free": "\(free ?? 0)", "needed": "\(settings.reserve)"]
                )
            }
            count += 1
            // Nobody cancels a start.
            try? await Task.sleep(for: .seconds(1))
        }
    }

    private func report(_ room: Room, free: UInt64, low: UInt64) {
        let numbers: Logger.Metadata = [
            "free": "\(free)", "low": "\(low)", "reserve": "\(settings.reserve)",
        ]
        switch room {
        case .ample: logger.notice("the disk has room again", metadata: numbers)
        case .low:
            logger.warning(
                """
                the disk is nearly full: new sessions and values are refused here, and other nodes \
                lead if they can; make room
                """,
                metadata: numbers
            )
        case .exhausted:
            logger.error(
                "the disk is full: nothing is stored until there is room; make some",
                metadata: numbers
            )
        }
    }

    // MARK: The disk

    /// Bytes that this process could still write below `directory`, which need not exist yet.
    private static func free(of directory: String) -> UInt64? {
        var path = directory
        while true {
            var status = statvfs()
            if statvfs(path, &status) == 0 {
                let (bytes, isOver) = UInt64(status.f_bavail).multipliedReportingOverflow(
                    by: UInt64(status.f_frsize)
                )
                return isOver ? .max : bytes
            }
            guard errno == ENOENT, let slash = path.lastIndex(of: "/") else {
                // A relative path of one part: the working directory.
                guard errno == ENOENT, path != "." else { return nil }
                path = "."
                continue
            }
            path = slash == path.startIndex ? "/" : String(path[..<slash])
        }
    }

    private var ballastPath: String { directory + "/ballast" }

    /// Whether there is a ballast of the right size, or none is wanted.
    private var isBallastThere: Bool {
        var status = stat()
        guard settings.ballast > 0 else { return true }
        guard stat(ballastPath, &status) == 0 else { return false }
        return UInt64(clamping: status.st_size) == settings.ballast
    }

    /// Whether it is gone.
    private func giveUpBallast(_ free: UInt64) -> Bool {
        guard unlink(ballastPath) == 0 || errno == ENOENT else {
            logger.error("the ballast cannot be removed", metadata: ["reason": "\(reason)"])
            return false
        }
        logger.warning(
            "the disk is full: the ballast is given up, so that there is room to make room",
            metadata: ["free": "\(free)", "ballast": "\(settings.ballast)"]
        )
        return true
    }

    private func makeBallast() {
        let file = open(ballastPath, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { return waiveBallast(reason) }
        defer { close(file) }
        let code = posix_fallocate(file, 0, off_t(settings.ballast))
        guard code != 0 else { return }
        unlink(ballastPath)
        waiveBallast(String(cString: strerror(code)))
    }

    private func waiveBallast(_ reason: String) {
        state.withLockedValue { $0.isBallastWaived = true }
        logger.warning(
            "there is no ballast: a full disk stops this node at once",
            metadata: ["file": "\(ballastPath)", "reason": "\(reason)"]
        )
    }

    private var reason: String { String(cString: strerror(errno)) }
}
