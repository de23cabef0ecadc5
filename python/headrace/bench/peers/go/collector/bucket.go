package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// bucket uploads each payload as an object of its own, private, over connections that are kept.
type bucket struct {
	url    string
	client *http.Client
	prefix string
	count  atomic.Int64
	signer signer
}

func newBucket(url string, connections int) *bucket {
	transport := &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections}
	return &bucket{
		url:    url,
		client: &http.Client{Transport: transport},
		prefix: time.Now().UTC().Format("20060102T150405"),
		signer: signer{os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), os.Getenv("AWS_REGION")},
	}
}

func (b *bucket) put(each []byte) {
	url := fmt.Sprintf("%s/%s-%d.json", b.url, b.prefix, b.count.Add(1))
	request, err := http.NewRequest(http.MethodPut, url, bytes.NewReader(each))
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/octet-stream")
	b.signer.sign(request, each)
	response, err := b.client.Do(request)
	if err != nil {
		log.Print(err)
		return
	}
	io.Copy(io.Discard, response.Body)
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		log.Print(response.Status)
	}
}

// signer signs requests as S3 wants it (AWS Signature Version 4).
type signer struct{ key, secret, region string }

func (s signer) sign(request *http.Request, body []byte) {
	now := time.Now().UTC()
	at, day := now.Format("20060102T150405Z"), now.Format("20060102")
	digest := sha256.Sum256(body)
	content := hex.EncodeToString(digest[:])
	request.Header.Set("X-Amz-Date", at)
	request.Header.Set("X-Amz-Content-Sha256", content)

	names := "content-type;host;x-amz-content-sha256;x-amz-date"
	canonical := fmt.Sprintf("%s\n%s\n\ncontent-type:%s\nhost:%s\nx-amz-content-sha256:%s\nx-amz-date:%s\n\n%s\n%s",
		request.Method, request.URL.EscapedPath(), request.Header.Get("Content-Type"), request.URL.Host,
		content, at, names, content)
	hashed := sha256.Sum256([]byte(canonical))
	scope := day + "/" + s.region + "/s3/aws4_request"
	text := "AWS4-HMAC-SHA256\n" + at + "\n" + scope + "\n" + hex.EncodeToString(hashed[:])
	key := []byte("AWS4" + s.secret)
	for _, part := range []string{day, s.region, "s3", "aws4_request"} {
		key = mac(key, part)
	}
	request.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s",
		s.key, scope, names, hex.EncodeToString(mac(key, text))))
}

func mac(key []byte, text string) []byte {
	hash := hmac.New(sha256.New, key)
	hash.Write([]byte(text))
	return hash.Sum(nil)
}
