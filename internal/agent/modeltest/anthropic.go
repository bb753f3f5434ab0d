package modeltest

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// anthropic answers the Messages API, https://docs.anthropic.com/en/api/messages.
func (s *Server) anthropic(w http.ResponseWriter, in object, stream bool) {
	var results []string
	for _, m := range objects(in["messages"]) {
		for _, part := range objects(m["content"]) {
			if part["type"] == "tool_result" {
				results = append(results, text(part["content"]))
			}
		}
	}
	t := shell(objects(in["tools"]), "input_schema")
	message := object{"id": "msg_test", "type": "message", "role": "assistant", "model": in["model"], "content": []any{},
		"stop_reason": nil, "stop_sequence": nil, "usage": object{"input_tokens": 1, "output_tokens": 1}}
	block, delta, stop := object{"type": "text", "text": ""}, object{"type": "text_delta", "text": s.answer()}, "end_turn"
	whole := object{"type": "text", "text": s.answer()}
	if command := s.next(t, results); command != "" {
		id := fmt.Sprintf("toolu_test%d", len(results))
		args, _ := json.Marshal(t.args(command))
		block = object{"type": "tool_use", "id": id, "name": t.name, "input": object{}}
		delta = object{"type": "input_json_delta", "partial_json": string(args)}
		whole = object{"type": "tool_use", "id": id, "name": t.name, "input": t.args(command)}
		stop = "tool_use"
	}
	if !stream {
		message["content"], message["stop_reason"] = []any{whole}, stop
		reply(w, message)
		return
	}
	e := newEvents(w)
	e.send("message_start", object{"type": "message_start", "message": message})
	e.send("content_block_start", object{"type": "content_block_start", "index": 0, "content_block": block})
	e.send("content_block_delta", object{"type": "content_block_delta", "index": 0, "delta": delta})
	e.send("content_block_stop", object{"type": "content_block_stop", "index": 0})
	e.send("message_delta", object{"type": "message_delta", "delta": object{"stop_reason": stop, "stop_sequence": nil}, "usage": object{"output_tokens": 1}})
	e.send("message_stop", object{"type": "message_stop"})
}
