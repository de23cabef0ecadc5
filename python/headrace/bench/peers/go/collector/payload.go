package main

import (
	"bytes"
	"encoding/json"
	"log"
)

// telemetry is a payload as a program has it: the fields of what the bench posts.
type telemetry struct {
	ID    string  `json:"id"`
	Host  string  `json:"host"`
	Event string  `json:"event"`
	Name  string  `json:"name"`
	Path  string  `json:"path"`
	Ts    int64   `json:"ts"`
	Score float64 `json:"score"`
}

// encoded is a payload as its object will be.
func encoded(each telemetry) []byte {
	buffer := new(bytes.Buffer)
	if err := json.NewEncoder(buffer).Encode(each); err != nil {
		log.Print(err)
	}
	return buffer.Bytes()
}
