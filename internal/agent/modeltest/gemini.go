package modeltest

import "net/http"

// gemini answers generateContent, https://ai.google.dev/api/generate-content.
func (s *Server) gemini(w http.ResponseWriter, in object, stream bool) {
	var results []string
	for _, c := range objects(in["contents"]) {
		for _, p := range objects(c["parts"]) {
			if r, ok := p["functionResponse"].(object); ok {
				results = append(results, text(r["response"]))
			}
		}
	}
	var tools []object
	for _, t := range objects(in["tools"]) {
		tools = append(tools, objects(t["functionDeclarations"])...)
	}
	t := shell(tools, "parameters")
	part := object{"text": s.answer()}
	if config, ok := in["generationConfig"].(object); ok && config["responseMimeType"] == "application/json" {
		// A question beside the conversation, such as which model is to be used.
		part = object{"text": `{"reasoning": "a test", "model_choice": "flash", "complexity_score": 1, "complexity_reasoning": "a test"}`}
	}
	if command := s.next(t, results); command != "" {
		part = object{"functionCall": object{"name": t.name, "args": t.args(command)}}
	}
	out := object{"candidates": []any{object{"content": object{"role": "model", "parts": []any{part}}, "finishReason": "STOP", "index": 0}},
		"usageMetadata": object{"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}, "modelVersion": "test", "responseId": "test"}
	if !stream {
		reply(w, out)
		return
	}
	newEvents(w).send("", out)
}
