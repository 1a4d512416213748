using System.Globalization;
using System.Text.Json;
using Kvasir.Server.Errors;
using Kvasir.Server.Framing;
using Kvasir.Server.Hosting;
using Kvasir.Server.Reading;
using Kvasir.Server.Security;
using Kvasir.Server.Telemetry;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Kvasir.Server.Answers;

/// <summary>
/// The one way of every request that a model answers, whatever its dialect: parse, validate, render, tokenise, queue, stream. A client that goes away ends its
/// sequences in each of these.
/// </summary>
internal sealed partial class AnswerPath(
    RequestReader reader, RequestGate gate, PromptEncoder encoder, AnswerWatch watch, IOptions<KvasirOptions> options, ILogger<AnswerPath> log)
{
    private const int MostAtOnce = 16;
    private static readonly TimeSpan HeaderPatience = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LeastTime = TimeSpan.FromMilliseconds(1);
    private readonly FrameTimes _times = new(watch.Clock, TimeSpan.FromSeconds(options.Value.KeepAliveSeconds),
        TimeSpan.FromSeconds(options.Value.WriteTimeoutSeconds));
    private readonly TimeSpan? _wholeKeepAlive = options.Value.JsonKeepAliveSeconds > 0 ? TimeSpan.FromSeconds(options.Value.JsonKeepAliveSeconds) : null;

    /// <exception cref="RequestException">Nothing was written, and the error is to be.</exception>
    public async Task ServeAsync(HttpContext context, AnswerRoute route)
    {
        using var visit = gate.Enter();
        using var arrived = await reader.OpenAsync(context).ConfigureAwait(false);
        if (route.BeforeLoad(arrived.Fields, arrived.Known, watch.Clock.GetUtcNow()) is { } early)
        {
            if (arrived.Known.Status is ModelStatus.Loaded or ModelStatus.Loading && route.Stay(arrived.Fields) is { } stay)
                reader.Models.Stay(arrived.Known, stay.Time);
            await WholeBody.SendAsync(context, early).ConfigureAwait(false);
            return;
        }

        using var frames = route.Streams(arrived.Fields) ? route.NewFrames(context, _times) : null;
        ServedAnswer? answer;
        try
        {
            answer = await AcceptAsync(context, route, arrived, frames).ConfigureAwait(false);
        }
        catch (Exception problem) when (context.Response.HasStarted && !context.RequestAborted.IsCancellationRequested)
        {
            await FailAsync(context, route, frames, problem).ConfigureAwait(false);
            return;
        }

        if (answer is null)
            return;
        using var leaving = context.RequestAborted.Register(answer.Leave);
        try
        {
            var writer = frames is null ? new WholeWriter(context, route, answer, _wholeKeepAlive, watch.Clock) : route.NewWriter(answer, frames);
            await WriteAsync(answer, writer, context).ConfigureAwait(false);
        }
        finally
        {
            // Whatever ended it: nobody waits for the rest.
            answer.Cancel();
        }
    }

    /// <returns>What is in the queue; null where nothing was asked for, which is answered.</returns>
    private async Task<ServedAnswer?> AcceptAsync(HttpContext context, AnswerRoute route, ArrivedRequest arrived, FrameWriter? frames)
    {
        var wait = new ModelWait(reader.Models, gate, watch.Clock, frames, frames is null ? _wholeKeepAlive : _times.KeepAlive);
        var model = await reader.UnderTemplateAsync(context, arrived.Fields, await wait.LoadAsync(context, arrived.Known).ConfigureAwait(false))
            .ConfigureAwait(false);
        if (route.Stay(arrived.Fields) is { } stay)
            reader.Models.Stay(arrived.Known, stay.Time);
        if (route.AtOnce(arrived.Fields, model) is { } write)
        {
            arrived.EndReading(context);
            await WholeBody.SendAsync(context, write).ConfigureAwait(false);
            return null;
        }

        var request = OwnFields.Read(arrived.Fields, route.Read(arrived.Fields, model));
        arrived.EndReading(context);
        if (AccessKey.Of(context) is { } key)
        {
            request = request with { Options = key.Own(request.Options, request.AskedPriority) };
            AnswerHeaders.WarnOfPriority(context.Response, request);
        }

        var prompts = await encoder.EncodeAsync(request, route.Errors, context.RequestAborted).ConfigureAwait(false);
        var record = RequestRecord.Of(context);
        var answer = NewAnswer(request, prompts, TimeLeft(request.Options.Deadline, record.Elapsed), record.LoadTime);
        AnswerWatch.Submit(context, answer);
        try
        {
            await SubmitMoreAsync(answer).ConfigureAwait(false);
            // A stream that need not wait can say in its headers what was there of its prompt; no token comes before that is known.
            if (frames is not null)
                await Task.WhenAny(answer.Started, Task.Delay(HeaderPatience, watch.Clock, context.RequestAborted)).ConfigureAwait(false);
            AnswerHeaders.Write(context.Response, answer);
            return answer;
        }
        catch
        {
            answer.Cancel();
            throw;
        }
    }

    // Behind the keep-alives of a load no error has a status.
    private async Task FailAsync(HttpContext context, AnswerRoute route, FrameWriter? frames, Exception problem)
    {
        var error = EngineErrors.Of(problem, isRunning: false);
        if (error.Kind == ErrorKind.EngineFailed)
            LogFailure(problem, context.TraceIdentifier);
        AnswerWatch.Fail(context, error);
        if (frames is null)
            await WholeBody.SendAsync(context, json => route.Errors.Write(json, error, context.TraceIdentifier, isInStream: true)).ConfigureAwait(false);
        else
            await route.FailAsync(frames, error).ConfigureAwait(false);
    }

    // Time runs from the request's arrival; what its reading took, and the loading of a model, is gone.
    private static TimeSpan? TimeLeft(TimeSpan? deadline, TimeSpan passed)
    {
        if (deadline is not { } given)
            return null;
        if (given - passed >= LeastTime)
            return given - passed;
        var (all, gone) = (Math.Round(given.TotalMilliseconds), Math.Round(passed.TotalMilliseconds));
        var problem = string.Create(
            CultureInfo.InvariantCulture,
            $"the deadline of {all} ms passed: {gone} ms after the request came its prompt is read, and nothing of it was computed");
        throw new RequestException(ErrorKind.DeadlineExceeded, problem);
    }

    // Choice i of a prompt has the seed + i, or they would all be the same.
    private ServedAnswer NewAnswer(AnswerRequest request, IReadOnlyList<ReadyPrompt> prompts, TimeSpan? timeLeft, TimeSpan loadTime)
    {
        var seed = request.Options.Sampling.Seed ?? (ulong)Random.Shared.NextInt64();
        var bell = new AnswerBell(request.Model.Bells);
        var choices = new List<Choice>(prompts.Count * request.ChoiceCount);
        foreach (var prompt in prompts)
        {
            for (var i = 0; i < request.ChoiceCount; i++)
            {
                var own = prompt.Options with { Deadline = timeLeft, Sampling = prompt.Options.Sampling with { Seed = unchecked(seed + (ulong)i) } };
                if (request.ContextTokens is { } most)
                    own = own with { MaxTokens = Math.Min(own.MaxTokens ?? most, most - prompt.Tokens.Length) };
                choices.Add(NewChoice(choices.Count, request, prompt, own, bell));
            }
        }

        return new ServedAnswer(request, choices, watch.Clock.GetUtcNow())
        {
            Bell = bell,
            LoadMs = loadTime.TotalMilliseconds,
            HidesCacheUse = options.Value.HidesCacheUse,
        };
    }

    private static Choice NewChoice(int index, AnswerRequest request, ReadyPrompt ready, GenerationOptions options, AnswerBell bell)
    {
        var prompt = ready.Tokens;
        var pool = request.Embeds ? new MeanState(request.Model.Model.Config.Width) : null;
        if (pool is not null)
            options = KvasirEmbeddingGenerator.Pooled(options, pool);
        var scores = request.ScoresPrompt && prompt.Length > 1 ? new PromptScores(prompt, options.TopLogprobs ?? 0) : null;
        var echo = request.EchoesPrompt ? new Echo(request.Model.Model.Tokenizer.Decode(prompt), options.TopLogprobs is null ? null : scores) : null;
        var (own, fed) = scores is null ? (options, prompt) : (scores.Options(options), [prompt[0]]);
        var sequence = new Sequence(fed, own) { Told = bell.Ring };
        return new Choice(index, sequence, echo, ready.NewSplitter(), request.Options.Stop) { Pool = pool, Prompt = prompt };
    }

    // A request has so many sequences in the queue at a time: it is not to fill it alone.
    private static async Task SubmitMoreAsync(ServedAnswer answer)
    {
        while (answer.TrySubmit(MostAtOnce) is { } choice)
        {
            try
            {
                await answer.Model.Loop.SubmitAsync(choice.Sequence).ConfigureAwait(false);
            }
            catch (KvasirException refusal) when (refusal.Error == KvasirError.KvMemoryExceeded)
            {
                var error = EngineErrors.Of(refusal, isRunning: false);
                throw new RequestException(error with { Overflow = EngineErrors.MemoryOverflow(answer.Model.Engine, choice.PromptTokens) });
            }
        }
    }

    private async Task WriteAsync(ServedAnswer answer, AnswerWriter writer, HttpContext context)
    {
        var aborted = context.RequestAborted;
        using var closing = gate.End.Register(answer.Bell.Ring);
        await writer.BeginAsync().ConfigureAwait(false);
        using var silence = new Silence(answer, writer, watch.Clock);
        while (true)
        {
            if (await WriteChoicesAsync(answer, writer, context).ConfigureAwait(false) is { } error)
            {
                AnswerWatch.Fail(context, error);
                await writer.FailAsync(error).ConfigureAwait(false);
                return;
            }

            if (answer.HasEnded)
                break;
            await silence.BreakAsync().ConfigureAwait(false);
            await answer.Bell.WaitAsync().ConfigureAwait(false);
            aborted.ThrowIfCancellationRequested();
            if (!gate.End.IsCancellationRequested)
                continue;
            AnswerWatch.Fail(context, RequestGate.Refusal);
            await writer.FailAsync(RequestGate.Refusal).ConfigureAwait(false);
            return;
        }

        // What comes behind an answer is the listener's, and the next request: others are not to be woken behind that.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        await writer.FinishAsync().ConfigureAwait(false);
    }

    /// <summary>Writes what there is, and submits what there is room for now.</summary>
    /// <returns>The error that ends it; null while it goes on.</returns>
    private async ValueTask<RequestError?> WriteChoicesAsync(ServedAnswer answer, AnswerWriter writer, HttpContext context)
    {
        for (var i = 0; i < answer.Choices.Count; i++)
        {
            if (await WriteChoiceAsync(answer, answer.Choices[i], writer, context.TraceIdentifier).ConfigureAwait(false) is not { } error)
                continue;
            context.RequestAborted.ThrowIfCancellationRequested();
            return error;
        }

        return answer.IsSubmitted ? null : await SubmitAsync(answer).ConfigureAwait(false);
    }

    private static async Task<RequestError?> SubmitAsync(ServedAnswer answer)
    {
        try
        {
            await SubmitMoreAsync(answer).ConfigureAwait(false);
            return null;
        }
        catch (Exception problem) when (problem is RequestException or KvasirException or ObjectDisposedException)
        {
            return EngineErrors.Of(problem, isRunning: false);
        }
    }

    private async ValueTask<RequestError?> WriteChoiceAsync(ServedAnswer answer, Choice choice, AnswerWriter writer, string id)
    {
        if (choice.HasEnded)
            return null;
        var pieces = choice.Read();
        watch.Count(answer, choice, pieces.Count);
        for (var i = 0; i < pieces.Count; i++)
        {
            await writer.PieceAsync(choice, pieces[i]).ConfigureAwait(false);
            choice.MarkBegun();
        }

        if (!choice.HasEnded)
            return null;
        if (choice.Sequence.Failure is { } failure)
        {
            var error = EngineErrors.Of(failure, isRunning: true);
            if (error.Kind == ErrorKind.EngineFailed || error.Kind == ErrorKind.NumericFault)
                LogFailure(failure, id);
            else
                LogEnd(id, error.Kind.Code);
            return error;
        }

        await writer.EndAsync(choice).ConfigureAwait(false);
        return null;
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "{Id}: a fault while it was computed")]
    private partial void LogFailure(Exception failure, string id);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Id}: ended while it was computed, {Code}")]
    private partial void LogEnd(string id, string code);
}
