package seal_test

// vectors were sealed by another implementation of AES-GCM.
var vectors = []struct {
	key                    []byte
	context, plain, sealed string
}{
	{
		keyA, "0190b2c4-5d6e-7f80-9a1b-2c3d4e5f6071/secret", "my_secret_key",
		"hookferry-sealed:AeDnelAAAQIDBAUGBwgJCgv3oY-Hke-Dg8MZbQOHVCtX9Yc-vMF-KCwiSo7XgA",
	},
	{
		keyB, "0190b2c4-5d6e-7f80-9a1b-2c3d4e5f6071/header/Authorization", "",
		"hookferry-sealed:AUyhRSb_______________8fKkD9EkvwsjSggQX3QFSa",
	},
}
