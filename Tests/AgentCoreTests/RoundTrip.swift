import JSON

func roundTrip<T: Codable>(_ value: T) throws -> T { try JSON.decode(T.self, from: try JSON.encode(value)) }
