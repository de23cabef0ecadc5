package main

import "fmt"

// start begins one of the usual ways from a handler to an upload, and returns what takes a payload.
func start(shape string, workers, queue int, upload func(payload)) (func(payload), error) {
	switch shape {
	case "goroutines":
		return func(each payload) { go upload(each) }, nil
	case "one":
		return startOne(queue, upload), nil
	case "pool":
		return startPool(workers, queue, upload), nil
	}
	return nil, fmt.Errorf("unknown shape %q", shape)
}

// startOne has a channel and one goroutine that empties it.
func startOne(queue int, upload func(payload)) func(payload) {
	jobs := make(chan payload, queue)
	go func() {
		for job := range jobs {
			upload(job)
		}
	}()
	return func(each payload) { jobs <- each }
}

// startPool has a channel, and a dispatcher that hands each job to a worker that has offered its own channel.
func startPool(workers, queue int, upload func(payload)) func(payload) {
	jobs := make(chan payload, queue)
	free := make(chan chan payload, workers)
	for range workers {
		go work(free, upload)
	}
	go func() {
		for job := range jobs {
			(<-free) <- job
		}
	}()
	return func(each payload) { jobs <- each }
}

func work(free chan<- chan payload, upload func(payload)) {
	own := make(chan payload)
	for {
		free <- own
		upload(<-own)
	}
}
