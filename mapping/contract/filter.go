package contract

// The ids by which a client may select payloads.
const (
	FilterConversation = "conversation_id"
	FilterChannel      = "channel_id"
)

// idLength is that of an id as appendUUID writes it, without its quotes.
const idLength = 36

// id returns the id in a body that is written as its shape has it: the one behind the last of the texts,
// all of which have an id behind them. It is nil for any other body.
func id(body []byte, texts ...string) []byte {
	var found []byte
	for _, text := range texts {
		end := len(text) + idLength
		if len(body) < end || string(body[:len(text)]) != text {
			return nil
		}
		found, body = body[len(text):end], body[end:]
	}
	return found
}

func conversationOf(body []byte) []byte { return id(body, `{"conversation_id":"`) }

func channelOfMessage(body []byte) []byte {
	return id(body, `{"conversation_id":"`, `","channel_id":"`)
}

func channelOf(body []byte) []byte { return id(body, `{"id":"`) }
