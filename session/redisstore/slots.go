package redisstore

import (
	"strconv"
	"sync"
)

// slotCount is how many slots a cluster has; slotOf gives that of what stands between the braces of a key:
// CRC-16/XMODEM, as the cluster specification says.
const slotCount = 16384

func slotOf(tag string) int {
	crc := uint16(0)
	for i := range len(tag) {
		crc = crc<<8 ^ crcTable()[byte(crc>>8)^tag[i]]
	}
	return int(crc % slotCount)
}

var crcTable = sync.OnceValue(func() *[256]uint16 {
	var t [256]uint16
	for i := range t {
		crc := uint16(i) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
		t[i] = crc
	}
	return &t
})

// slotTags gives the shortest number that falls into each slot.
var slotTags = sync.OnceValue(func() *[slotCount]string {
	var tags [slotCount]string
	for left, n := slotCount, 0; left > 0; n++ {
		tag := strconv.Itoa(n)
		if slot := slotOf(tag); tags[slot] == "" {
			tags[slot] = tag
			left--
		}
	}
	return &tags
})
