// Command collector takes collections of payloads the way such services are usually written in Go: a handler that
// decodes JSON and passes each payload on to whoever encodes and uploads it. Nothing is kept anywhere but in memory.
package main

import (
	"encoding/json"
	"flag"
	"io"
	"log"
	"net/http"
)

type collection[P any] struct {
	Version  string `json:"version"`
	Token    string `json:"token"`
	Payloads []P    `json:"data"`
}

func handle[P any](pass func(P), maxLength int64) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", "POST")
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		var content collection[P]
		if err := json.NewDecoder(io.LimitReader(r.Body, maxLength)).Decode(&content); err != nil {
			w.Header().Set("Content-Type", "application/json; charset=UTF-8")
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		for _, each := range content.Payloads {
			pass(each)
		}
		w.WriteHeader(http.StatusOK)
	}
}

func main() {
	listen := flag.String("listen", "127.0.0.1:7000", "where to take collections")
	shape := flag.String("shape", "pool", "who uploads: pool, lean (a pool without decoding), goroutines (one for each payload) or one")
	workers := flag.Int("workers", 100, "how many upload at once")
	queue := flag.Int("queue", 10000, "how many payloads wait for a worker at most")
	maxLength := flag.Int64("max-length", 1<<20, "bytes of a collection")
	to := flag.String("to", "", "the bucket's URL; without one payloads are dropped")
	flag.Parse()

	put := func([]byte) {}
	if *to != "" {
		put = newBucket(*to, *workers).put
	}
	upload := func(each telemetry) { put(encoded(each)) }
	switch *shape {
	case "pool":
		http.HandleFunc("/", handle(startPool(*workers, *queue, upload), *maxLength))
	case "lean":
		asItCame := func(each json.RawMessage) { put(each) }
		http.HandleFunc("/", handle(startLeanPool(*workers, *queue, asItCame), *maxLength))
	case "goroutines":
		http.HandleFunc("/", handle(func(each telemetry) { go upload(each) }, *maxLength))
	case "one":
		http.HandleFunc("/", handle(startOne(*queue, upload), *maxLength))
	default:
		log.Fatalf("unknown shape %q", *shape)
	}
	log.Fatal(http.ListenAndServe(*listen, nil))
}
