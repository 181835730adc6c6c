//! ToonCrafter, the published generative cartoon interpolation model, on candle.
