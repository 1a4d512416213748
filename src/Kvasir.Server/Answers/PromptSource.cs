using Kvasir.Server.Hosting;

namespace Kvasir.Server.Answers;

/// <summary>What a request's prompts are made of.</summary>
internal abstract class PromptSource
{
    /// <summary>
    /// The characters that a tokeniser will see, or more, in bytes of UTF-8 of the longest prompt: more than fit are refused before anything is done with them.
    /// </summary>
    public abstract long TextBytes { get; }

    /// <summary>Whether the model's template makes it, so that answers are in the model's own words for calls and for what it thinks.</summary>
    public virtual bool IsConversation => false;

    /// <summary>What of a prompt the client wants to find again, and for how long it is worth keeping. Runs on a thread of the pool.</summary>
    /// <param name="tokens">The prompt.</param>
    public virtual IReadOnlyList<KeptPrefix> Keeps(ServedModel model, ReadOnlyMemory<int> tokens) => [];

    /// <summary>The prompts' tokens. Runs on a thread of the pool.</summary>
    public abstract IReadOnlyList<int[]> Encode(ServedModel model);
}
