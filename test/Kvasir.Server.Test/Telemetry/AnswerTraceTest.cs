using System.Diagnostics;
using System.Threading.Channels;
using Kvasir.Server.Test.Support;

namespace Kvasir.Server.Test.Telemetry;

/// <summary>Traces: a span for each answer, beneath the client's own.</summary>
public sealed class AnswerTraceTest
{
    [Fact]
    public async Task AnAnswerIsASpanOfTheClientsTraceWithItsFirstTokenAsAnEvent()
    {
        using var traces = new Traces();
        await using var server = await RunningServer.StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Post,
            "/v1/completions")
        { Content = new StringContent("{\"prompt\":\"Once upon a time\",\"max_tokens\":4,\"ignore_eos\":true}") };
        request.Headers.Add("traceparent", $"00-{traces.Id}-00f067aa0ba902b7-01");
        (await server.Client.SendAsync(request)).Dispose();
        var span = await traces.NextAsync();
        Assert.Equal(("text_completion stories260K", ActivityKind.Server, "00f067aa0ba902b7"), (span.DisplayName, span.Kind, span.ParentSpanId.ToHexString()));
        Assert.Equal((4, "kvasir", 200),
            (span.GetTagItem("gen_ai.usage.output_tokens"), span.GetTagItem("gen_ai.provider.name"), span.GetTagItem("http.response.status_code")));
        var first = Assert.Single(span.Events);
        Assert.Equal("first_token", first.Name);
        Assert.InRange(first.Timestamp.UtcDateTime, span.StartTimeUtc, span.StartTimeUtc + span.Duration);
    }

    [Fact]
    public async Task AnAnswerThatNobodyWaitsForIsCancelled()
    {
        using var traces = new Traces();
        await using var server = await RunningServer.StartAsync(static options => (options.ContextTokens, options.KvMemoryBytes) = (200_000, 1L << 30));
        using (var stream = new RawConnection(server.Address))
        {
            const string Body = "{\"prompt\":\"Once\",\"ignore_eos\":true,\"stream\":true,\"max_tokens\":-1}";
            await stream.SendAsync(
                $"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\ntraceparent: 00-{traces.Id}-00f067aa0ba902b7-01\r\nContent-Length: {Body.Length}\r\n\r\n{Body}");
            Assert.True(await stream.ReadUntilAsync("\"text\":"));
        }

        Assert.Equal(["first_token", "cancelled"], (await traces.NextAsync()).Events.Select(static happened => happened.Name));
    }

    /// <summary>Hears spans of one trace alone: other tests' servers have the same source.</summary>
    private sealed class Traces : IDisposable
    {
        private readonly ActivityListener _listener;
        private readonly Channel<Activity> _spans = Channel.CreateUnbounded<Activity>();

        public Traces()
        {
            _listener = new ActivityListener
            {
                ShouldListenTo = static source => source.Name == "Kvasir.Server",
                Sample = static (ref _) => ActivitySamplingResult.AllDataAndRecorded,
                ActivityStopped = span =>
                {
                    if (span.TraceId.ToHexString() == Id)
                        _spans.Writer.TryWrite(span);
                },
            };
            ActivitySource.AddActivityListener(_listener);
        }

        public string Id { get; } = ActivityTraceId.CreateRandom().ToHexString();

        public Task<Activity> NextAsync() => _spans.Reader.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(10));

        public void Dispose() => _listener.Dispose();
    }
}
