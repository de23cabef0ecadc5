// Command publisher publishes one message again and again to a stream of NATS JetStream over several connections, each
// of which waits for the acknowledgement of what it sent before it sends more, as a client that posts does.
// It prints messages acknowledged, errors, and the 50th and 99th percentile of the wait in microseconds.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	stream = "collections"
	create = `{"name":"` + stream + `","subjects":["` + stream + `"],"storage":"file","retention":"limits","num_replicas":1}`
)

// connection speaks the client's side of the NATS protocol, as far as publishing and its replies go.
type connection struct {
	socket net.Conn
	input  *bufio.Reader
	output *bufio.Writer
	inbox  string
}

func dial(address, inbox string) (*connection, error) {
	socket, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	c := &connection{socket, bufio.NewReader(socket), bufio.NewWriter(socket), inbox}
	if _, err := c.input.ReadString('\n'); err != nil { // INFO
		return nil, err
	}
	fmt.Fprintf(c.output, "CONNECT {\"verbose\":false,\"pedantic\":false}\r\nSUB %s 1\r\n", inbox)
	return c, c.output.Flush()
}

func (c *connection) publish(subject string, body []byte) {
	fmt.Fprintf(c.output, "PUB %s %s %d\r\n", subject, c.inbox, len(body))
	c.output.Write(body)
	c.output.WriteString("\r\n")
}

// reply reads up to the next message that is for the inbox.
func (c *connection) reply() ([]byte, error) {
	for {
		line, err := c.input.ReadString('\n')
		if err != nil {
			return nil, err
		}
		fields := strings.Fields(line)
		switch {
		case len(fields) > 0 && fields[0] == "MSG":
			length, err := strconv.Atoi(fields[len(fields)-1])
			if err != nil {
				return nil, err
			}
			body := make([]byte, length+2)
			_, err = io.ReadFull(c.input, body)
			return body[:length], err
		case len(fields) > 0 && fields[0] == "PING":
			c.output.WriteString("PONG\r\n")
		case len(fields) > 0 && fields[0] == "-ERR":
			return nil, fmt.Errorf("refused: %s", strings.TrimSpace(line))
		}
	}
}

// ask publishes once and fails where the reply tells of an error.
func (c *connection) ask(subject string, body []byte) error {
	c.publish(subject, body)
	if err := c.output.Flush(); err != nil {
		return err
	}
	reply, err := c.reply()
	if err != nil {
		return err
	}
	var told struct {
		Error *struct {
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(reply, &told); err != nil {
		return err
	}
	if told.Error != nil {
		return fmt.Errorf("refused: %s", told.Error.Description)
	}
	return nil
}

// publishUntil returns how long each message waited.
func publishUntil(end time.Time, address, inbox string, body []byte) ([]int, error) {
	c, err := dial(address, inbox)
	if err != nil {
		return nil, err
	}
	defer c.socket.Close()
	var waits []int
	for {
		sent := time.Now()
		if sent.After(end) {
			return waits, nil
		}
		if err := c.ask(stream, body); err != nil {
			return waits, err
		}
		waits = append(waits, int(time.Since(sent).Microseconds()))
	}
}

func main() {
	address := flag.String("server", "127.0.0.1:4222", "the NATS server")
	connections := flag.Int("connections", 64, "how many publish at once")
	seconds := flag.Int("seconds", 4, "how long")
	path := flag.String("body", "", "the file that is published")
	flag.Parse()

	body, err := os.ReadFile(*path)
	if err != nil {
		log.Fatal(err)
	}
	c, err := dial(*address, "inbox.create")
	if err == nil {
		err = c.ask("$JS.API.STREAM.CREATE."+stream, []byte(create))
	}
	if err != nil {
		log.Fatal(err)
	}

	end := time.Now().Add(time.Duration(*seconds) * time.Second)
	var all []int
	var errors int
	var lock sync.Mutex
	var group sync.WaitGroup
	for number := range *connections {
		group.Add(1)
		go func() {
			defer group.Done()
			waits, err := publishUntil(end, *address, fmt.Sprintf("inbox.%d", number), body)
			lock.Lock()
			defer lock.Unlock()
			all = append(all, waits...)
			if err != nil {
				log.Print(err)
				errors++
			}
		}()
	}
	group.Wait()
	if len(all) == 0 {
		log.Fatal("nothing was acknowledged")
	}
	slices.Sort(all)
	fmt.Println(len(all), errors, all[len(all)/2], all[len(all)*99/100])
}
