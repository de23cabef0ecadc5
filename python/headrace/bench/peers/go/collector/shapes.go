package main

// The usual ways from a handler to an upload. Each function begins one and returns what takes a payload.

// startOne has a channel and one goroutine that empties it.
func startOne[P any](queue int, upload func(P)) func(P) {
	jobs := make(chan P, queue)
	go func() {
		for job := range jobs {
			upload(job)
		}
	}()
	return func(each P) { jobs <- each }
}

// startPool has a channel, and a dispatcher with a goroutine for each job, which hands it to a worker that has offered
// its own channel. So the dispatcher never waits for a worker, and nothing bounds what does.
func startPool[P any](workers, queue int, upload func(P)) func(P) {
	jobs, free := make(chan P, queue), startWorkers(workers, upload)
	go func() {
		for job := range jobs {
			go func(job P) { (<-free) <- job }(job)
		}
	}()
	return func(each P) { jobs <- each }
}

// startLeanPool is the same without the goroutines: where no worker is free the channel fills, and then handlers wait.
func startLeanPool[P any](workers, queue int, upload func(P)) func(P) {
	jobs, free := make(chan P, queue), startWorkers(workers, upload)
	go func() {
		for job := range jobs {
			(<-free) <- job
		}
	}()
	return func(each P) { jobs <- each }
}

// startWorkers begins so many workers; the channel has those of the free ones.
func startWorkers[P any](count int, upload func(P)) chan chan P {
	free := make(chan chan P, count)
	for range count {
		go work(free, upload)
	}
	return free
}

func work[P any](free chan<- chan P, upload func(P)) {
	own := make(chan P)
	for {
		free <- own
		upload(<-own)
	}
}
