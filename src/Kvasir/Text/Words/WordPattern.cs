namespace Kvasir.Text.Words;

/// <summary>How a text is cut into words before merging. Merges never cross a cut.</summary>
internal enum WordPattern
{
    /// <summary>No cut.</summary>
    Whole,

    /// <summary>Llama 3: contractions in any case, digits by up to three.</summary>
    Llama3,

    /// <summary>Qwen 2: as Llama 3, digits one by one.</summary>
    Qwen2,

    /// <summary>GPT-2: lower-case contractions, digits in runs, a space goes with the word after it.</summary>
    Gpt2,

    /// <summary>SmolLM: digits alone, GPT-2 between them.</summary>
    SmolLm,

    /// <summary>Mistral's tekken: words also break where lower case is followed by upper case.</summary>
    Tekken,

    /// <summary>Tekken as GGUF's reference approximates it: only ASCII letters have a case, and marks are no letters.</summary>
    TekkenAscii,

    /// <summary>GPT-4o's: as tekken, with contractions at a word's end and digits by up to three.</summary>
    Gpt4o,

    /// <summary>The same as GGUF's reference approximates it: as <see cref="TekkenAscii"/>.</summary>
    Gpt4oAscii,

    /// <summary>Seed's: as Qwen 2, but line breaks do not go with the symbols before them.</summary>
    Seed,

    /// <summary>DeepSeek 3's and Hunyuan's: digits by up to three and runs of Chinese and kana by themselves, between them words with marks in them.</summary>
    DeepSeek3,

    /// <summary>Falcon's: punctuation by itself, GPT-2 between, ASCII digits in threes from the left.</summary>
    Falcon,

    /// <summary>Runs of line breaks, and what lies between them: Gemma 4's.</summary>
    Lines,

    /// <summary>Before each space mark that follows something else than a space mark.</summary>
    SpaceMarks,

    /// <summary>Before each space mark.</summary>
    EachSpaceMark,
}
