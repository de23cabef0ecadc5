// Command floor does the least that a server can do for a POST: one read and one write, on one thread. It looks for
// where the head ends and at Content-Length, keeps nothing, and answers the same bytes each time. What it takes is what
// the kernel takes.
//
// System calls are made raw: the scheduler of Go, which is told of others, would cost as much as a write's own code.
package main

import (
	"bytes"
	"flag"
	"log"
	"net"
	"strconv"
	"syscall"
	"unsafe"
)

const (
	events  = 64
	longest = 64 << 10
)

var (
	headEnd = []byte("\r\n\r\n")
	length  = []byte("\r\nContent-Length: ")
	answer  []byte
)

// As long as headrace's for three payloads.
const body = `{"accepted": 3, "first": 10000000, "last": 10000002, "ack": "nowhere"}`

// What has come of a request that isn't whole yet, by its descriptor.
var pending = map[int][]byte{}

func main() {
	listen := flag.String("listen", "127.0.0.1:7000", "where to take collections")
	said := flag.String("answer", body, "what to answer")
	flag.Parse()
	answer = response(*said + "\n")
	listener, err := bound(*listen)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(serve(listener))
}

func response(body string) []byte {
	return []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=UTF-8\r\n" +
		"Content-Length: " + strconv.Itoa(len(body)) + "\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n" + body)
}

func bound(address string) (int, error) {
	place, err := net.ResolveTCPAddr("tcp4", address)
	if err != nil {
		return 0, err
	}
	listener, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return 0, err
	}
	name := &syscall.SockaddrInet4{Port: place.Port, Addr: [4]byte(place.IP.To4())}
	if err := syscall.SetsockoptInt(listener, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return 0, err
	}
	if err := syscall.Bind(listener, name); err != nil {
		return 0, err
	}
	return listener, syscall.Listen(listener, 1024)
}

func serve(listener int) error {
	poll, err := syscall.EpollCreate1(0)
	if err != nil {
		return err
	}
	watch := func(descriptor int) error {
		event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(descriptor)}
		return syscall.EpollCtl(poll, syscall.EPOLL_CTL_ADD, descriptor, &event)
	}
	if err := watch(listener); err != nil {
		return err
	}
	var ready [events]syscall.EpollEvent
	buffer := make([]byte, longest)
	for {
		count, _, fault := syscall.RawSyscall6(syscall.SYS_EPOLL_WAIT,
			uintptr(poll), uintptr(unsafe.Pointer(&ready[0])), events, ^uintptr(0), 0, 0)
		if fault == syscall.EINTR {
			continue
		}
		if fault != 0 {
			return fault
		}
		for _, event := range ready[:count] {
			descriptor := int(event.Fd)
			if descriptor != listener {
				if !reply(descriptor, buffer) {
					delete(pending, descriptor)
					syscall.Close(descriptor)
				}
			} else if client, _, err := syscall.Accept(listener); err == nil {
				syscall.SetsockoptInt(client, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
				if err := watch(client); err != nil {
					return err
				}
			}
		}
	}
}

// Reads once, and answers if a request is whole then; false when the connection is over.
func reply(descriptor int, buffer []byte) bool {
	count, _, fault := syscall.RawSyscall(syscall.SYS_READ,
		uintptr(descriptor), uintptr(unsafe.Pointer(&buffer[0])), uintptr(len(buffer)))
	if fault != 0 || count == 0 {
		return false
	}
	request := buffer[:count]
	if before, found := pending[descriptor]; found {
		request = append(before, request...)
	}
	if !whole(request) {
		pending[descriptor] = append([]byte(nil), request...)
		return len(request) < longest
	}
	if len(pending) > 0 {
		delete(pending, descriptor)
	}
	_, _, fault = syscall.RawSyscall(syscall.SYS_WRITE,
		uintptr(descriptor), uintptr(unsafe.Pointer(&answer[0])), uintptr(len(answer)))
	return fault == 0
}

// Whether the head and as many bytes as it tells of are there; clients of the bench write the name so.
func whole(request []byte) bool {
	head := bytes.Index(request, headEnd)
	if head < 0 {
		return false
	}
	told := 0
	if at := bytes.Index(request[:head], length); at >= 0 {
		digits, _, _ := bytes.Cut(request[at+len(length):head], headEnd[:2])
		told, _ = strconv.Atoi(string(digits))
	}
	return len(request)-head-len(headEnd) >= told
}
