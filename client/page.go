package client

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
)

// pageSize is the largest page that the API returns.
const pageSize = 250

type page[T any] struct {
	Data []T    `json:"data"`
	Next string `json:"next"` // the cursor of the next page; "" on the last one
}

// list iterates over the list at path, page by page.
func list[T any](ctx context.Context, c *Client, path string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		cursor := ""
		for {
			p, err := readPage[T](ctx, c, path, cursor)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range p.Data {
				if !yield(item, nil) {
					return
				}
			}
			if p.Next == "" {
				return
			}
			cursor = p.Next
		}
	}
}

func readPage[T any](ctx context.Context, c *Client, path, cursor string) (p page[T], err error) {
	query := fmt.Sprintf("?limit=%d", pageSize)
	if cursor != "" {
		query += "&cursor=" + url.QueryEscape(cursor)
	}
	err = c.do(ctx, call{method: http.MethodGet, path: path + query, into: &p})
	if err == nil && p.Next == cursor && cursor != "" {
		err = fmt.Errorf("the list at %s has a page whose next page is itself", path)
	}
	return p, err
}
