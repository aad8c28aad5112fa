// Encodes and decodes a pod machine, as its record on disk does.
import JSON

func roundTrip<T: Codable>(_ value: T) throws -> T { try JSON.decode(T.self, from: try JSON.encode(value)) }
