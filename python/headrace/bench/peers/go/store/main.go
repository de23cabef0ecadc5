// Command store is an object store with no memory: it takes every PUT, as S3 would, and forgets it. It answers after
// -delay, to at most -most uploads at once. GET / tells how many objects and bytes it was given.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"sync/atomic"
	"time"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:9000", "where to take objects")
	delay := flag.Duration("delay", 0, "what an upload takes at least")
	most := flag.Int("most", 1000, "how many uploads it works on at once")
	flag.Parse()

	var objects, size atomic.Int64
	places := make(chan struct{}, *most)
	http.HandleFunc("PUT /", func(w http.ResponseWriter, r *http.Request) {
		places <- struct{}{}
		defer func() { <-places }()
		length, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			return
		}
		time.Sleep(*delay)
		objects.Add(1)
		size.Add(length)
		w.Header().Set("ETag", `"00000000000000000000000000000000"`)
	})
	http.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "%d %d\n", objects.Load(), size.Load())
	})
	log.Fatal(http.ListenAndServe(*listen, nil))
}
