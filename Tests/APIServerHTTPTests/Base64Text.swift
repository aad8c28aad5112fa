// Base64 for kubeconfigs that tests write.
import FoundationEssentials

func base64(_ text: String) -> String { Data(text.utf8).base64EncodedString() }
func fromBase64(_ text: String) -> String { String(decoding: Data(base64Encoded: text) ?? Data(), as: UTF8.self) }
func fromBase64Bytes(_ text: String) -> [UInt8] { Array(Data(base64Encoded: text) ?? Data()) }
