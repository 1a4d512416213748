using System.Globalization;
using System.Runtime.CompilerServices;
using Kvasir.Attention.Policies;
using Kvasir.Files;
using Kvasir.Ground;
using Kvasir.Text;
using Microsoft.Extensions.AI;

namespace Kvasir;

/// <summary>
/// A model behind <see cref="IChatClient"/>: stateless; streams, honours temperature, top-p, top-k, seed, penalties, token limit and stop
/// sequences, reports usage, and cancels. <c>AdditionalProperties["kvasir.attention"]</c> names a policy for one request, and <c>["kvasir.audit"]</c>
/// the share of its attention that is audited; what that found is in the last update's <c>AdditionalProperties["kvasir.audit"]</c>, and so in the
/// message's, as <see cref="AuditFigures"/>; the usage counts the heads that were audited. What a request asks for and would not get (tools, a JSON format,
/// a stored conversation, content that is no text) is a <see cref="KvasirException"/>, as is an option outside its range. Client and model may be disposed while
/// answers stream: those then end with <see cref="ObjectDisposedException"/>, and so do later calls.
/// </summary>
public sealed class KvasirChatClient : IChatClient
{
    private const string AuditKey = "kvasir.audit";
    private const string AuditedHeadsKey = "kvasir.audit.heads";
    private readonly EngineLoop _loop;
    private readonly Model _model;
    private readonly ChatTemplate _template;
    private readonly ChatClientMetadata _metadata;
    private readonly bool _ownsLoop;

    /// <param name="model">Disposed by whoever loaded it.</param>
    /// <param name="options">Of the engine that the client owns.</param>
    /// <param name="template">In place of the model's own, or for a model that has none.</param>
    /// <exception cref="KvasirException">As the constructor of <see cref="Engine"/>; or there is no template.</exception>
    public KvasirChatClient(Model model, EngineOptions? options = null, ChatTemplate? template = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        (_model, _template) = (model, Required(model, template));
        _metadata = new ChatClientMetadata("kvasir", defaultModelId: model.Config.Name);
        (_loop, _ownsLoop) = (new EngineLoop(new Engine(model, options)), true);
    }

    /// <summary>A client of an engine that others use too, and that whoever made it disposes of.</summary>
    /// <exception cref="KvasirException">There is no template.</exception>
    public KvasirChatClient(EngineLoop loop, ChatTemplate? template = null)
    {
        ArgumentNullException.ThrowIfNull(loop);
        (_loop, _model) = (loop, loop.Engine.Model);
        _template = Required(_model, template);
        _metadata = new ChatClientMetadata("kvasir", defaultModelId: _model.Config.Name);
    }

    /// <exception cref="ArgumentException">The messages are null, or one of them is.</exception>
    /// <exception cref="KvasirException">The request is refused, or fails.</exception>
    /// <exception cref="ObjectDisposedException">The client or its model was disposed.</exception>
    public Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        return Stream(messages, options, cancellationToken).ToChatResponseAsync(cancellationToken);
    }

    /// <inheritdoc cref="GetResponseAsync"/>
    public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        return Stream(messages, options, cancellationToken);
    }

    /// <summary>Gives the <see cref="Engine"/>, the <see cref="Model"/>, the client's metadata, or the client itself.</summary>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null)
            return null;
        return serviceType == typeof(ChatClientMetadata) ? _metadata
            : serviceType == typeof(Engine) ? _loop.Engine
            : serviceType == typeof(Model) ? _model
            : serviceType.IsInstanceOfType(this) ? this
            : null;
    }

    public void Dispose() => (_ownsLoop ? _loop : null)?.Dispose();

    private static ChatTemplate Required(Model model, ChatTemplate? template) => template ?? model.Template ?? throw new KvasirException(
        KvasirError.BadTemplate, $"{model.Path} has no chat template; give one, or complete text with an Engine");

    private async IAsyncEnumerable<ChatResponseUpdate> Stream(
        IEnumerable<ChatMessage> messages, ChatOptions? options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var prompt = _model.EncodeChat(FairLock(messages, options), template: _template);
        var sequence = new Sequence(prompt, Generation(options));
        await _loop.SubmitAsync(sequence).ConfigureAwait(false);
        var responseId = $"kvasir-{Guid.NewGuid():N}";
        try
        {
            await foreach (var token in sequence.ReadAllAsync(cancellationToken).ConfigureAwait(false))
            {
                if (token.Text.Length > 0)
                    yield return Update(responseId, [new TextContent(token.Text)]);
            }
        }
        finally
        {
            // Reached too when the reader stops early: nobody waits for the rest of the answer.
            sequence.Cancel();
        }

        cancellationToken.ThrowIfCancellationRequested();
        var last = Update(responseId, [new UsageContent(Usage(sequence))]);
        if (sequence.AuditFigures is { } audit)
            last.AdditionalProperties = new AdditionalPropertiesDictionary { [AuditKey] = audit };
        last.FinishReason = sequence.Finish is FinishReason.Length or FinishReason.ContextFull ? ChatFinishReason.Length : ChatFinishReason.Stop;
        yield return last;
    }

    private static UsageDetails Usage(Sequence sequence) => new()
    {
        InputTokenCount = sequence.PromptCount,
        OutputTokenCount = sequence.GeneratedCount,
        TotalTokenCount = sequence.TokenCount,
        CachedInputTokenCount = 0,
        AdditionalCounts = sequence.AuditFigures is { } audit ? new AdditionalPropertiesDictionary<long> { [AuditedHeadsKey] = audit.HeadCount } : null,
    };

    private static List<ChatTurn> FairLock(IEnumerable<ChatMessage> messages, ChatOptions? options)
    {
        var turns = new List<ChatTurn>();
        if (!string.IsNullOrEmpty(options?.Instructions))
            turns.Add(new ChatTurn("system", options.Instructions));
        var index = 0;
        foreach (var message in messages)
        {
            if (message is null)
                throw new ArgumentException($"message {index} is null", nameof(messages));
            if (string.IsNullOrEmpty(message.Role.Value))
                throw new KvasirException(KvasirError.BadOption, $"message {index} has no role");
            foreach (var content in message.Contents)
            {
                if (content is not TextContent)
                    throw new KvasirException(KvasirError.Unsupported, $"message {index} has {content?.GetType().Name ?? "a content that is null"}; only text is supported");
            }

            index++;
            turns.Add(new ChatTurn(message.Role.Value, message.Text) { Name = message.AuthorName });
        }

        return turns;
    }

    // What a request asks for and would not get is refused, not ignored.
    private GenerationOptions Generation(ChatOptions? options)
    {
        if (options?.Tools is { Count: > 0 })
            throw new KvasirException(KvasirError.Unsupported, $"{options.Tools.Count} tools were given; tool calls are not supported");
        if (options?.ResponseFormat is ChatResponseFormatJson)
            throw new KvasirException(KvasirError.Unsupported, "a JSON response format was asked for; structured output is not supported");
        if (options?.ConversationId is { } conversation)
            throw new KvasirException(KvasirError.Unsupported, $"conversation '{MessageText.Line(conversation)}' was named; this client keeps none, and takes all of its messages each time");
        var policy = options?.AdditionalProperties?.TryGetValue("kvasir.attention", out var name) == true ? PolicyCatalog.Parse($"{name}") : null;
        return new GenerationOptions
        {
            MaxTokens = options?.MaxOutputTokens,
            Stop = options?.StopSequences is { } stops ? [.. stops] : [],
            Attention = policy,
            AuditShare = options?.AdditionalProperties?.TryGetValue(AuditKey, out var share) == true ? AuditShare(share) : null,
            Sampling = Sampling(options),
        };
    }

    private static double AuditShare(object? share) =>
        double.TryParse(Convert.ToString(share, CultureInfo.InvariantCulture), NumberStyles.Float, CultureInfo.InvariantCulture, out var value)
            ? value
            : throw new KvasirException(KvasirError.BadOption, $"{AuditKey} '{share}' is not a number from 0 to 1");

    private SamplingOptions Sampling(ChatOptions? options)
    {
        var defaults = SamplingOptions.For(_model.Defaults);
        return defaults with
        {
            Temperature = options?.Temperature ?? defaults.Temperature,
            TopP = options?.TopP ?? defaults.TopP,
            TopK = options?.TopK ?? defaults.TopK,
            FrequencyPenalty = options?.FrequencyPenalty ?? 0,
            PresencePenalty = options?.PresencePenalty ?? 0,
            Seed = options?.Seed is { } seed ? (ulong)seed : null,
        };
    }

    private ChatResponseUpdate Update(string responseId, IList<AIContent> contents) => new(ChatRole.Assistant, contents)
    {
        ResponseId = responseId,
        MessageId = responseId,
        ModelId = _model.Config.Name,
        CreatedAt = DateTimeOffset.UtcNow,
    };
}
