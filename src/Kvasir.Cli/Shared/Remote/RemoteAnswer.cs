using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;

namespace Kvasir.Cli.Shared.Remote;

/// <summary>A server's answer, whole or as far as it came.</summary>
internal sealed record RemoteAnswer
{
    /// <summary>The text that was handed on.</summary>
    public string Text { get; private set; } = "";

    /// <summary>What the model thought before it; empty for nothing.</summary>
    public string Reasoning { get; private set; } = "";

    /// <summary>As a local answer's reason, in camel case; "cancelled" for an answer that was interrupted, "failed" for one that broke off.</summary>
    public string FinishReason { get; private set; } = "failed";

    /// <summary>Why it broke off, or null.</summary>
    public KvasirException? Failure { get; private set; }

    public string? Model { get; private set; }

    public int PromptTokens { get; private set; }

    public int GeneratedTokens { get; private set; }

    public int CachedTokens { get; private set; }

    public RemoteTimings Timings { get; private set; } = new(null, null, null, null, null);

    /// <summary>The policy by which it attended; null where the server does not say.</summary>
    public string? Attention { get; private set; }

    public double? KeysReadShare { get; private set; }

    /// <summary>Gives the same answer when typed with the same options; null where the server does not say.</summary>
    public long? Seed { get; private set; }

    /// <summary>Whether an interrupt ended it.</summary>
    public bool IsCancelled => FinishReason == "cancelled";

    /// <summary>
    /// Asks, and hands the text on as it comes. While the server computes the prompt, progress is shown; an interrupt ends the answer, not the process.
    /// </summary>
    /// <param name="path">Beneath the server's address.</param>
    /// <exception cref="KvasirException">The server cannot be reached, or refuses; nothing was handed on.</exception>
    public static RemoteAnswer Ask(Shell shell, RemoteServer server, string path, JsonObject body, bool quiet, Action<string> onText)
    {
        var answer = new RemoteAnswer();
        using var cancel = new CancellationTokenSource();
        shell.Interrupts.Guard(
            cancel.Cancel, () => answer.ReadAsync(shell, server.StreamAsync(path, body, cancel.Token), quiet, onText).GetAwaiter().GetResult());
        return answer;
    }

    /// <summary>As those of a local answer, as far as the server says it.</summary>
    public IEnumerable<string> Lines()
    {
        var timings = Timings;
        yield return $"prefill {Stage(PromptTokens - CachedTokens, timings.PrefillMs, timings.PrefillTokensPerSecond)} | "
            + $"decode {Stage(GeneratedTokens, timings.DecodeMs, timings.DecodeTokensPerSecond)} | {Ending()}";
        if (CachedTokens > 0)
            yield return $"{SizeText.Count(CachedTokens)} of {SizeText.TokenCount(PromptTokens)} of prompt were there from an earlier request";
        string?[] facts = [
            Model is null ? null : $"model {Printable.Line(Model)}", Attention is null ? null : $"attention {Printable.Line(Attention)}",
            Seed is { } seed ? $"seed {unchecked((ulong)seed)}" : null];
        if (facts.Any(static fact => fact is not null))
            yield return string.Join(" | ", facts.OfType<string>());
    }

    /// <param name="turn">From 1, in a chat.</param>
    public RemoteReport Report(Uri server, int? turn = null) => new(
        turn, server.GetLeftPart(UriPartial.Authority), Model, Text, Reasoning.Length > 0 ? Reasoning : null, FinishReason,
        new RemoteUsage(PromptTokens, GeneratedTokens, PromptTokens + GeneratedTokens, CachedTokens > 0 ? CachedTokens : null), Timings,
        Seed is { } seed ? unchecked((ulong)seed) : null, Attention, KeysReadShare);

    private async Task ReadAsync(Shell shell, IAsyncEnumerable<JsonElement> pieces, bool quiet, Action<string> onText)
    {
        var (text, reasoning) = (new StringBuilder(), new StringBuilder());
        var (start, processed, total) = (TimeProvider.System.GetTimestamp(), 0, 0);
        var progress = new ProgressLine(
            shell, quiet,
            () => total > 0
                ? $"the server reads the prompt: {SpeedText.Describe(processed, total, TimeProvider.System.GetElapsedTime(start))}"
                : "waiting for the server");
        try
        {
            await foreach (var piece in pieces.ConfigureAwait(false))
            {
                if (RemoteFields.Object(piece, "prompt_progress") is { } come)
                    (processed, total) = (RemoteFields.Count(come, "processed"), RemoteFields.Count(come, "total"));
                var (said, thought) = Take(piece);
                reasoning.Append(thought);
                if (said.Length == 0)
                    continue;
                progress.Dispose();
                text.Append(said);
                onText(said);
            }
        }
        catch (OperationCanceledException)
        {
            FinishReason = "cancelled";
        }
        catch (KvasirException failure) when (text.Length > 0)
        {
            Failure = failure;
        }
        finally
        {
            progress.Dispose();
            (Text, Reasoning) = (text.ToString(), reasoning.ToString());
        }
    }

    private (string Said, string Thought) Take(JsonElement piece)
    {
        Model ??= RemoteFields.Text(piece, "model");
        if (RemoteFields.Object(piece, "usage") is { } usage)
        {
            (PromptTokens, GeneratedTokens) = (RemoteFields.Count(usage, "prompt_tokens"), RemoteFields.Count(usage, "completion_tokens"));
            CachedTokens = RemoteFields.Object(usage, "prompt_tokens_details") is { } details ? RemoteFields.Count(details, "cached_tokens") : 0;
        }

        if (RemoteFields.Object(piece, "timings") is { } timings)
        {
            Timings = new(
                RemoteFields.Number(timings, "queue_ms"), RemoteFields.Number(timings, "prompt_ms"), RemoteFields.Number(timings, "prompt_per_second"),
                RemoteFields.Number(timings, "predicted_ms"), RemoteFields.Number(timings, "predicted_per_second"));
        }

        var (said, thought) = RemoteFields.FirstChoice(piece) is { } choice ? TakeChoice(choice) : ("", "");
        if (RemoteFields.Object(piece, "kvasir") is { } own)
            TakeOwn(own);
        return (said, thought);
    }

    private (string Said, string Thought) TakeChoice(JsonElement choice)
    {
        // OpenAI's words; Kvasir's own, which say more, come behind them.
        if (RemoteFields.Text(choice, "finish_reason") is { } reason)
            FinishReason = reason;
        return RemoteFields.Object(choice, "delta") is { } delta
            ? (RemoteFields.Text(delta, "content") ?? "", RemoteFields.Text(delta, "reasoning_content") ?? "")
            : (RemoteFields.Text(choice, "text") ?? "", "");
    }

    private void TakeOwn(JsonElement own)
    {
        Attention = RemoteFields.Text(own, "attention");
        KeysReadShare = RemoteFields.Number(own, "keys_read_share");
        if (own.TryGetProperty("seed", out var seed) && seed.TryGetInt64(out var known))
            Seed = known;
        if (RemoteFields.Text(own, "finish") is { } finish)
            FinishReason = string.Concat(
                finish.Split('_').Select(static (word, i) => i == 0 || word.Length == 0 ? word : $"{char.ToUpperInvariant(word[0])}{word[1..]}"));
    }

    private string Ending() => FinishReason switch
    {
        "end" => "ended by the model",
        "stop" => "ended by a stop text or the model",
        "length" => "ended by --max-tokens or the server's limit",
        "contextFull" => "ended by the server's context",
        "kvFull" => "ended by the server's KV memory",
        "cancelled" => "interrupted",
        "failed" => "failed",
        var other => $"ended by {Printable.Line(other)}",
    };

    private static string Stage(int tokens, double? ms, double? rate)
    {
        var count = SizeText.TokenCount(tokens);
        return ms is > 0
            ? $"{count} in {SpeedText.Duration(TimeSpan.FromMilliseconds(ms.Value))}{(rate is > 0 ? $", {SpeedText.Rate(rate.Value)}" : "")}"
            : count;
    }
}

/// <summary>Times in milliseconds, as far as the server says them.</summary>
internal sealed record RemoteTimings(double? QueueMs, double? PrefillMs, double? PrefillTokensPerSecond, double? DecodeMs, double? DecodeTokensPerSecond);

/// <summary>What <c>run --server --json</c> and each turn of <c>chat --server --json</c> write: names are those of a local answer.</summary>
internal sealed record RemoteReport(
    int? Turn, string Server, string? Model, string Text, string? Reasoning, string FinishReason,
    RemoteUsage Usage, RemoteTimings Timings, ulong? Seed, string? Policy, double? KeysReadShare);

/// <param name="CachedTokens">Null where none was.</param>
internal sealed record RemoteUsage(int PromptTokens, int GeneratedTokens, int TotalTokens, int? CachedTokens);
