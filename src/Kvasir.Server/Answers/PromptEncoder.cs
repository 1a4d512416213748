using Kvasir.Server.Errors;
using Kvasir.Server.Hosting;

namespace Kvasir.Server.Answers;

/// <summary>Renders and tokenises on at most two threads of the pool, never on the engine's.</summary>
internal sealed class PromptEncoder : IDisposable
{
    private const int MostThreads = 2;
    private readonly SemaphoreSlim _places = new(MostThreads);

    /// <summary>The prompts, each of which leaves room for an answer.</summary>
    /// <exception cref="RequestException">The template refuses, a prompt does not fit, or no answer can be held to what is asked for.</exception>
    public async Task<IReadOnlyList<ReadyPrompt>> EncodeAsync(AnswerRequest request, ErrorShape errors, CancellationToken cancellation)
    {
        var (model, limit) = (request.Model, request.ContextTokens ?? request.Model.Engine.ContextTokens);
        RefuseLong(request.Prompt, model, limit, errors);
        var prompts = await RunAsync(() => request.Prompt.Encode(model), cancellation).ConfigureAwait(false);
        foreach (var prompt in prompts)
        {
            if (prompt.Length == 0)
                throw new RequestException(ErrorKind.InvalidValue, "the prompt has no token");
            var least = request.Options.MaxTokens == 0 ? 0 : 1;
            if (prompt.Length + least > limit)
                throw TooLong(new Overflow(prompt.Length, limit) { AnswerTokens = least }, errors);
        }

        return await RunAsync(() => prompts.Select(prompt => new ReadyPrompt(request, prompt)).ToArray(), cancellation).ConfigureAwait(false);
    }

    /// <summary>The tokens of a prompt that is counted or shown, whether or not there is room for an answer.</summary>
    /// <exception cref="RequestException">The template refuses, or the text is far too long for the context.</exception>
    public async Task<int[]> EncodeAsync(PromptSource prompt, ServedModel model, ErrorShape errors, CancellationToken cancellation)
    {
        RefuseLong(prompt, model, model.Engine.ContextTokens, errors);
        return await RunAsync(() => prompt.Encode(model)[0], cancellation).ConfigureAwait(false);
    }

    /// <summary>Runs what renders or tokenises; whoever is gone before its turn is not waited for.</summary>
    public async Task<T> RunAsync<T>(Func<T> work, CancellationToken cancellation)
    {
        await _places.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            return await Task.Run(work, cancellation).ConfigureAwait(false);
        }
        finally
        {
            _places.Release();
        }
    }

    public void Dispose() => _places.Dispose();

    // No tokeniser makes fewer tokens of it, and none has to try.
    private static void RefuseLong(PromptSource prompt, ServedModel model, int limit, ErrorShape errors)
    {
        if (prompt.TextBytes > (limit + 1L) * model.LongestPieceBytes)
            throw TooLong(new Overflow((int)Math.Min(int.MaxValue, prompt.TextBytes / model.LongestPieceBytes), limit) { IsLeast = true }, errors);
    }

    private static RequestException TooLong(Overflow overflow, ErrorShape errors)
    {
        var note = overflow.IsLeast ? " (that many at least: a text so long is not tokenised)" : "";
        return new RequestException(new RequestError(ErrorKind.ContextExceeded, $"{errors.OverflowMessage(overflow)}{note}") { Overflow = overflow });
    }
}
