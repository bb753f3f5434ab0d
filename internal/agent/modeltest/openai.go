package modeltest

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// chat answers chat completions, https://platform.openai.com/docs/api-reference/chat.
func (s *Server) chat(w http.ResponseWriter, in object, stream bool) {
	var results []string
	for _, m := range objects(in["messages"]) {
		if m["role"] == "tool" {
			results = append(results, text(m["content"]))
		}
	}
	var tools []object
	for _, t := range objects(in["tools"]) {
		if f, ok := t["function"].(object); ok {
			tools = append(tools, f)
		}
	}
	t := shell(tools, "parameters")
	message, finish := object{"role": "assistant", "content": s.answer()}, "stop"
	if command := s.next(t, results); command != "" {
		args, _ := json.Marshal(t.args(command))
		message = object{"role": "assistant", "content": nil, "tool_calls": []any{object{"index": 0, "id": fmt.Sprintf("call_test%d", len(results)), "type": "function",
			"function": object{"name": t.name, "arguments": string(args)}}}}
		finish = "tool_calls"
	}
	usage := object{"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
	out := object{"id": "chatcmpl-test", "created": 1, "model": in["model"]}
	if !stream {
		out["object"], out["usage"] = "chat.completion", usage
		out["choices"] = []any{object{"index": 0, "message": message, "finish_reason": finish}}
		reply(w, out)
		return
	}
	out["object"] = "chat.completion.chunk"
	e := newEvents(w)
	out["choices"] = []any{object{"index": 0, "delta": message, "finish_reason": nil}}
	e.send("", out)
	out["choices"], out["usage"] = []any{object{"index": 0, "delta": object{}, "finish_reason": finish}}, usage
	e.send("", out)
	fmt.Fprint(w, "data: [DONE]\n\n")
}

// responses answers the Responses API, https://platform.openai.com/docs/api-reference/responses.
func (s *Server) responses(w http.ResponseWriter, in object, stream bool) {
	var results []string
	for _, item := range objects(in["input"]) {
		if item["type"] == "function_call_output" || item["type"] == "custom_tool_call_output" {
			results = append(results, text(item["output"]))
		}
	}
	t := shell(objects(in["tools"]), "parameters")
	item := object{"type": "message", "id": "msg_test", "role": "assistant", "status": "completed",
		"content": []any{object{"type": "output_text", "text": s.answer(), "annotations": []any{}}}}
	command := s.next(t, results)
	if command != "" {
		args, _ := json.Marshal(t.args(command))
		item = object{"type": "function_call", "id": fmt.Sprintf("fc_test%d", len(results)), "call_id": fmt.Sprintf("call_test%d", len(results)),
			"name": t.name, "arguments": string(args), "status": "completed"}
	}
	response := object{"id": "resp_test", "object": "response", "created_at": 1, "model": in["model"], "status": "completed", "output": []any{item},
		"usage": object{"input_tokens": 1, "input_tokens_details": object{"cached_tokens": 0}, "output_tokens": 1, "output_tokens_details": object{"reasoning_tokens": 0}, "total_tokens": 2}}
	if !stream {
		reply(w, response)
		return
	}
	e := newEvents(w)
	n := 0
	send := func(name string, v object) {
		v["type"], v["sequence_number"] = name, n
		n++
		e.send(name, v)
	}
	begun := object{"id": "resp_test", "object": "response", "created_at": 1, "model": in["model"], "status": "in_progress", "output": []any{}}
	send("response.created", object{"response": begun})
	started := object{}
	for k, v := range item {
		started[k] = v
	}
	started["status"] = "in_progress"
	if command != "" {
		started["arguments"] = ""
	} else {
		started["content"] = []any{}
	}
	send("response.output_item.added", object{"output_index": 0, "item": started})
	if command != "" {
		send("response.function_call_arguments.delta", object{"item_id": item["id"], "output_index": 0, "delta": item["arguments"]})
		send("response.function_call_arguments.done", object{"item_id": item["id"], "output_index": 0, "arguments": item["arguments"]})
	} else {
		part := object{"type": "output_text", "text": "", "annotations": []any{}}
		send("response.content_part.added", object{"item_id": "msg_test", "output_index": 0, "content_index": 0, "part": part})
		send("response.output_text.delta", object{"item_id": "msg_test", "output_index": 0, "content_index": 0, "delta": s.answer()})
		send("response.output_text.done", object{"item_id": "msg_test", "output_index": 0, "content_index": 0, "text": s.answer()})
	}
	send("response.output_item.done", object{"output_index": 0, "item": item})
	send("response.completed", object{"response": response})
}
