import Synchronization

/// A value that several threads share. (A mutex alone cannot be captured by two closures.)
final class Locked<Value: Sendable>: Sendable {
    private let mutex: Mutex<Value>

    init(_ value: Value) { mutex = Mutex(value) }

    func withLock<Result: Sendable>(_ body: (inout Value) -> Result) -> Result {
        mutex.withLock { value in
            var copy = value
            defer { value = copy }
            return body(&copy)
        }
    }
}

extension Locked where Value == Bool {
    /// True once.
    func take() -> Bool {
        withLock { value in
            defer { value = false }
            return value
        }
    }
}
