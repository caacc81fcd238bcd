// How much room a node's disk has left, and the ballast: a file of no contents whose removal makes
// room when there is none. What follows from the numbers is `SpaceWatch`'s.
//
// In: `look`, by the start and the disk thread. Out: `room`, for any thread. It must never touch a
// directory before it is known to be the node's, nor make a reactor wait for the disk.

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
        /// Nil before the first look that may touch it.
        var hasBallast: Bool?
        /// What does not work is told once.
        var complaints: Set<Complaint> = []
    }

    private enum Complaint {
        case unknown
        case notMade
        case notRemoved
    }

    private let directory: String
    private let ballastPath: String
    private let marks: SpaceWatch.Marks
    private let logger: Logger
    private let measure: @Sendable (String) -> UInt64?
    private let state = NIOLockedValueBox(State())

    /// `measure` answers how many bytes can still be written below a path, which need not exist.
    init(
        directory: String,
        marks: SpaceWatch.Marks,
        logger: Logger,
        measure: @escaping @Sendable (String) -> UInt64? = freeBytes
    ) {
        self.directory = directory
        ballastPath = directory + "/ballast"
        self.marks = marks
        self.logger = logger
        self.measure = measure
    }

    /// As of the latest look.
    var room: Room { state.withLockedValue { $0.watch.room } }

    /// Bytes that were free at the latest look; nil where the disk does not say.
    var free: UInt64? { state.withLockedValue { $0.free } }

    /// A snapshot of `bytes` may have to be written.
    func expect(snapshotOf bytes: Int) {
        state.withLockedValue { $0.largestGroup = UInt64(clamping: bytes) }
    }

    /// Looks at the disk, and makes or gives up the ballast if need be. To be called where a write
    /// may wait too: the disk may hang.
    @discardableResult
    func look() -> Room {
        findBallast()
        switch take() {
        case nil: break
        case .makeBallast: makeBallast()
        case .giveUpBallast:
            giveUpBallast()
            // That may not have been enough.
            _ = take()
        }
        return room
    }

    /// Waits, before anything of the directory is opened, until there is room to start: the ballast
    /// counts, and stays. The directory may turn out to be another node's.
    func waitForRoom() async {
        var count = 0
        var status = stat()
        let isThere = stat(ballastPath, &status) == 0
        while true {
            state.withLockedValue { $0.hasBallast = isThere }
            _ = take()
            guard room == .exhausted else { break }
            if count.isMultiple(of: 10) {
                logger.error(
                    "the disk is full: the start waits for room; make some",
                    metadata: ["free": "\(free ?? 0)", "needed": "\(marks.reserve)"]
                )
            }
            count += 1
            // Nobody cancels a start.
            try? await Task.sleep(for: .seconds(1))
        }
        state.withLockedValue { $0.hasBallast = nil }
    }

    /// Takes the numbers as they are now; what is to be done about the ballast.
    private func take() -> SpaceWatch.Step? {
        guard let free = measure(directory) else {
            complain(.unknown, "the disk does not say how much room it has", "statvfs")
            return nil
        }
        let (before, after, step, low) = state.withLockedValue { state in
            var marks = marks
            // Where it cannot be made or removed the node does without.
            if state.complaints.contains(.notMade) || state.complaints.contains(.notRemoved) {
                marks.ballast = 0
            }
            let before = state.watch.room
            let hasBallast = marks.ballast == 0 || state.hasBallast == true
            let step = state.watch.look(
                free: free,
                hasBallast: hasBallast,
                snapshot: state.largestGroup,
                marks
            )
            state.free = free
            return (before, state.watch.room, step, max(marks.low, state.largestGroup))
        }
        if after != before { report(after, free: free, low: low) }
        return step
    }

    private func report(_ room: Room, free: UInt64, low: UInt64) {
        let numbers: Logger.Metadata = [
            "free": "\(free)", "low": "\(low)", "reserve": "\(marks.reserve)",
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

    private func complain(_ complaint: Complaint, _ text: Logger.Message, _ reason: String) {
        let isNew = state.withLockedValue { $0.complaints.insert(complaint).inserted }
        guard isNew else { return }
        logger.warning(text, metadata: ["file": "\(ballastPath)", "reason": "\(reason)"])
    }

    // MARK: The ballast

    /// Looks for it once. One of another size, from another configuration or cut short, goes.
    private func findBallast() {
        guard state.withLockedValue({ $0.hasBallast == nil }) else { return }
        var status = stat()
        let isThere = stat(ballastPath, &status) == 0
        let isRight = isThere && UInt64(clamping: status.st_size) == marks.ballast
        state.withLockedValue { $0.hasBallast = isThere }
        if isThere, !isRight { removeBallast() }
    }

    private func giveUpBallast() {
        guard removeBallast() else { return }
        logger.warning(
            "the disk is full: the ballast is given up, so that there is room to make room",
            metadata: ["free": "\(free ?? 0)", "ballast": "\(marks.ballast)"]
        )
    }

    /// Whether it is gone.
    @discardableResult
    private func removeBallast() -> Bool {
        guard unlink(ballastPath) == 0 || errno == ENOENT else {
            complain(.notRemoved, "the ballast cannot be removed: remove it by hand", lastError)
            return false
        }
        state.withLockedValue { $0.hasBallast = false }
        return true
    }

    private func makeBallast() {
        let file = open(ballastPath, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { return failedToMake(lastError) }
        defer { close(file) }
        // Checked by the configuration to be far below what `off_t` holds.
        let code = posix_fallocate(file, 0, off_t(marks.ballast))
        guard code == 0 else {
            unlink(ballastPath)
            return failedToMake(String(cString: strerror(code)))
        }
        state.withLockedValue { $0.hasBallast = true }
    }

    private func failedToMake(_ reason: String) {
        complain(
            .notMade,
            "no ballast could be made: a disk that is full cannot be given any room by this node",
            reason
        )
    }

    private var lastError: String { String(cString: strerror(errno)) }
}

/// Bytes that this process could still write below `directory`; nil where the disk does not say.
@Sendable
private func freeBytes(below directory: String) -> UInt64? {
    var path = directory
    while true {
        var status = statvfs()
        if statvfs(path, &status) == 0 {
            let (bytes, isOver) = UInt64(status.f_bavail).multipliedReportingOverflow(
                by: UInt64(status.f_frsize)
            )
            return isOver ? .max : bytes
        }
        // It is not there yet: what is above it is on the same disk, or will be.
        guard errno == ENOENT, path != ".", path != "/" else { return nil }
        guard let slash = path.lastIndex(of: "/") else {
            path = "."
            continue
        }
        path = slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
