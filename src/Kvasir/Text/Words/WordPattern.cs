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

    /// <summary>Before each space mark that follows something else than a space mark.</summary>
    SpaceMarks,

    /// <summary>Before each space mark.</summary>
    EachSpaceMark,
}
